/* faulty.h - a storage that fails when told to.
 *
 * "faulty:URL" is the storage at URL, reached over a network that the test commands;
 * "faulty-local:URL" the same for one that is not remote. What is set here holds for
 * all instances of the first, in this process.
 */
#ifndef PAWL_TEST_FAULTY_H
#define PAWL_TEST_FAULTY_H

#include <stdint.h>

enum faulty_mode {
    FAULTY_FINE,
    FAULTY_AWAY,        /* UNREACHABLE, certainly not done; open fails as well */
    FAULTY_LOST_BEFORE, /* UNKNOWN, and not done */
    FAULTY_LOST_AFTER,  /* UNKNOWN, and done */
    FAULTY_DENIED       /* EDENIED; open fails as well */
};

/* Make the schemes known. As often as you like. */
void faulty_register(void);
void faulty_set(enum faulty_mode mode);
/* What goes to this queue of the remote ones fails, and nothing else; NULL: none,
 * "*": all. */
enum faulty_damage {
    FAULTY_CORRUPT, /* ECORRUPT, certainly not done */
    FAULTY_PARTLY,  /* UNKNOWN, though answered: as Redis says that a key was overwritten */
    FAULTY_CUT_OFF  /* UNREACHABLE: the master of a Cluster that has it is dead */
};
void faulty_damage(const char *queue, enum faulty_damage how);
/* For so many more calls; then it is FAULTY_AWAY until told otherwise. */
void faulty_for(enum faulty_mode mode, int calls);
/* Calls to the remote ones so far, those that failed among them. */
uint64_t faulty_calls(void);
/* The store behind them is another one from now on, as its mark tells. */
void faulty_replace(void);

/* Kill this process by SIGKILL at the k-th point from now on; points are before and
 * after each call to either scheme. 0: not. */
void faulty_die_at(long k);

#endif
