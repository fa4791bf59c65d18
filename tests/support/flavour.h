/* flavour.h - the storages that a test can run on, by name: this is the one place
 * that knows them.
 *
 * A flavour is a storage and a way to it: "redis-tls" is Redis over TLS. What it
 * needs, a folder or servers, is started once, in the parent of forked tests,
 * and has room for any number of stores that do not see each other. Their time
 * is the caller's clock, also where it would be the server's.
 */
#ifndef PAWL_TEST_FLAVOUR_H
#define PAWL_TEST_FLAVOUR_H

#include <stddef.h>

#define FLAVOUR_URL_MAX 1200

struct flavour;

/* Ends the process, with the list of those that there are, if it has no such. */
const struct flavour *flavour_find(const char *name);
void flavour_begin(const struct flavour *flavour);
/* The URL of a store; `name` has letters, digits and '-'. */
void flavour_store(const struct flavour *flavour, const char *name, char *url,
                   size_t size);
void flavour_end(const struct flavour *flavour);

#endif
