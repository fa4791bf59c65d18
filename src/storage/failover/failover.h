/* failover.h - a storage in front that may be away, and a local spool behind it.
 *
 * A decorator over the storage table. While the primary answers, every call goes
 * there. When it does not, what a program calls goes on with the spool: new jobs
 * are kept there (and run, unless told not to), outcomes of jobs that the primary
 * handed out are kept for it. When it is back, all of that flows to it, exactly
 * once. docs/outage.md says what is promised; FORMAT.md what lies in the spool.
 */
#ifndef PAWL_STORAGE_FAILOVER_H
#define PAWL_STORAGE_FAILOVER_H

#include "storage/storage.h"

/* Open the remote storage of `ops` at `url`, with a spool, if its options want one;
 * else the storage itself. A primary that is away is no failure if the spool can be
 * used, and a spool that cannot is none if the primary is there; `log` hears of
 * both. EINVAL: the URL or an option; the other statuses are those of the primary's
 * open. */
enum pawl_status failover_open(const struct pawl_storage_ops *ops, const char *url,
                               const struct pawl_storage_config *config,
                               const struct storage_log *log,
                               struct pawl_storage **out, struct pawl_error *err);

/* storage_left(), of a remote storage's URL or of none. */
void failover_left(const char *url, const char *where, storage_left_fn *found,
                   void *context);

#endif
