/* temp_dir.h - a folder that is gone after the test. */
#ifndef PAWL_TEST_TEMP_DIR_H
#define PAWL_TEST_TEMP_DIR_H

struct temp_dir {
    char path[256];
};

/* A new empty folder under $TMPDIR, or /tmp. Ends the program on failure. */
void temp_dir_make(struct temp_dir *dir);
/* Remove it with all that is in it. A zeroed one is fine. */
void temp_dir_remove(struct temp_dir *dir);

#endif
