/* memory.h - the readable storage, "memory:NAME".
 *
 * Jobs live in this process, shared by every instance opened with the same
 * NAME, and are gone with the last of them. It is what the contract in
 * pawl/storage.h means, written for reading: other storages are compared with
 * it, and programs test with it.
 */
#ifndef PAWL_STORAGE_MEMORY_H
#define PAWL_STORAGE_MEMORY_H

#include "pawl/storage.h"

extern const struct pawl_storage_ops memory_storage;

#endif
