/* trace.h - a decorator that tells of every call to the storage behind it. */
#ifndef PAWL_SRC_STORAGE_TRACE_H
#define PAWL_SRC_STORAGE_TRACE_H

#include "storage/storage.h"

/* Put it in front of *storage, which it closes later; on failure the storage is
 * as it was. */
enum pawl_status trace_wrap(struct pawl_storage **storage,
                            const struct storage_log *log,
                            struct pawl_error *err);

#endif
