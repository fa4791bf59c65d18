/* registry.h - which storages there are. */
#ifndef PAWL_SRC_STORAGE_REGISTRY_H
#define PAWL_SRC_STORAGE_REGISTRY_H

#include <stddef.h>

#include "pawl/storage.h"

/* The storage whose scheme is the first `n` bytes of `scheme`; NULL if none. */
const struct pawl_storage_ops *registry_find(const char *scheme, size_t n);
/* The URL that a program gets which names none. */
const char *registry_default_url(void);
/* "memory, sqlite", for messages. */
void registry_names(char *text, size_t size);

#endif
