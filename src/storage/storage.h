/* storage.h - how the core talks to a storage.
 *
 * The core calls these wrappers, never the table. They check what the contract
 * in pawl/storage.h promises in both directions (asserts, on in every build but
 * release) and are the one place where a storage is opened by URL.
 */
#ifndef PAWL_SRC_STORAGE_H
#define PAWL_SRC_STORAGE_H

#include "pawl.h"
#include "pawl/storage.h"

/* Queues whose name begins with this byte are the library's own: no program can
 * name one, since names have no control characters, and nobody is shown them. What
 * is in them is jobs like any other. */
#define STORAGE_RESERVED '\1'

static inline bool storage_is_reserved(const char *queue)
{
    return queue[0] == STORAGE_RESERVED;
}

/* Where a decorator that wants to tell something sends it. */
struct storage_log {
    void (*line)(void *context, enum pawl_log_level level, const char *id,
                 const char *text);
    void (*event)(void *context, const struct pawl_event *event);
    void *context;
};

/* Open the storage that `url` names ("scheme:location?options", or
 * "trace+scheme:..."), with a spool behind it if it is remote. config->url, location
 * and options are filled in here. `log` may be NULL. On failure *out is untouched.
 * EINVAL: no such scheme. */
enum pawl_status storage_open(const char *url,
                              const struct pawl_storage_config *config,
                              const struct storage_log *log,
                              struct pawl_storage **out,
                              struct pawl_error *err);
/* The same for decorators: the storage alone. */
enum pawl_status storage_open_plain(const char *url,
                                    const struct pawl_storage_config *config,
                                    struct pawl_storage **out,
                                    struct pawl_error *err);
void storage_close(struct pawl_storage *storage);

/* Spools on this host that are not empty, as far as is known: `path`, the primary that
 * they are for, and since when (ms). Those in the folder where the spool of `url` lies,
 * or, if it is NULL, usually lies; for the primary at `where`, or for any if that is NULL.
 * Nothing is opened or made. */
typedef void storage_left_fn(void *context, const char *path, const char *primary,
                             pawl_time since);
void storage_left(const char *url, const char *where, storage_left_fn *found,
                  void *context);

enum pawl_status storage_put(struct pawl_storage *storage,
                             const struct pawl_put *in,
                             struct pawl_put_result *results,
                             struct pawl_error *err);
enum pawl_status storage_exchange(struct pawl_storage *storage,
                                  const struct pawl_exchange *in,
                                  struct pawl_exchange_reply *out,
                                  struct pawl_error *err);
enum pawl_status storage_renew(struct pawl_storage *storage,
                               const struct pawl_renew *in,
                               enum pawl_status *results,
                               struct pawl_error *err);
enum pawl_status storage_sweep(struct pawl_storage *storage,
                               const struct pawl_sweep *in,
                               struct pawl_sweep_reply *out,
                               struct pawl_error *err);
enum pawl_status storage_wait(struct pawl_storage *storage,
                              const struct pawl_wait *in,
                              struct pawl_error *err);
void storage_kick(struct pawl_storage *storage);
enum pawl_status storage_get(struct pawl_storage *storage, const char *queue,
                             struct pawl_id id, struct pawl_job **out,
                             struct pawl_error *err);
enum pawl_status storage_list(struct pawl_storage *storage,
                              const struct pawl_list *in,
                              struct pawl_list_reply *out,
                              struct pawl_error *err);
/* Each job of a queue in a state, as list has them. */
struct storage_walk {
    struct pawl_storage *storage;
    const char *queue;
    size_t page; /* jobs in the hand at once, 1..500 */
    bool (*visit)(void *context, const struct pawl_job *job); /* false: enough */
    void *context;
    bool enough; /* said so: nothing more is visited, of whatever state */
};
enum pawl_status storage_walk(struct storage_walk *walk, enum pawl_state state,
                              struct pawl_error *err);
enum pawl_status storage_alter(struct pawl_storage *storage,
                               const struct pawl_alter *in,
                               struct pawl_alter_reply *out,
                               struct pawl_error *err);
enum pawl_status storage_take_out(struct pawl_storage *storage,
                                  const struct pawl_take_out *in,
                                  struct pawl_take_out_reply *out,
                                  struct pawl_error *err);
enum pawl_status storage_bring_in(struct pawl_storage *storage,
                                  const struct pawl_bring_in *in,
                                  struct pawl_put_result *results,
                                  struct pawl_error *err);
enum pawl_status storage_tally(struct pawl_storage *storage, const char *queue,
                               struct pawl_session mover, bool forget,
                               struct pawl_tally *out, struct pawl_error *err);
enum pawl_status storage_stats(struct pawl_storage *storage, const char *queue,
                               struct pawl_stats **out, struct pawl_error *err);
enum pawl_status storage_health(struct pawl_storage *storage,
                                struct pawl_health *out, struct pawl_error *err);

#endif
