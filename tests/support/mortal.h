/* mortal.h - "mortal:URL" is the storage at URL, whose calls are counted, and which
 * kills its process at one of them: before it is made, or after it took effect. All
 * instances of a process share one count. */
#ifndef PAWL_TEST_MORTAL_H
#define PAWL_TEST_MORTAL_H

#include <stdbool.h>

/* Make the scheme known. `at`: at which call to die, from 1; 0: at none. */
void mortal_register(long at, bool after);
/* How many calls were made. */
long mortal_calls(void);

#endif
