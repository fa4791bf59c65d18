/* sqlite_storage.h - the instance of the SQLite storage.
 *
 * One instance has two connections to the file: the writer, on which one write
 * transaction at a time runs, and the reader, so that looking never waits for
 * writing. Around them the small files beside the database: the gate, who is
 * alive, who sleeps. sqlite_storage.c has the table.
 */
#ifndef PAWL_SQLITE_STORAGE_H
#define PAWL_SQLITE_STORAGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "pawl/storage.h"
#include "sqlite_cache.h"
#include "sqlite_db.h"
#include "sqlite_gate.h"
#include "sqlite_line.h"
#include "sqlite_live.h"
#include "sqlite_tx.h"
#include "sqlite_wake.h"
#include "util/fork.h"

struct sqlite_storage {
    struct pawl_storage base;
    struct pawl_clock clock;
    pawl_duration deadline;
    char *path;  /* of the database file, no symbolic link in it */
    bool normal; /* durability=normal: every commit is SYNC_NORMAL */

    struct sqlite_db writer; /* inside sqlite_write_begin .. end, as the next */
    struct sqlite_cache cache;
    struct sqlite_db reader; /* inside sqlite_read_begin .. end */
    struct sqlite_gate gate;
    struct sqlite_live live;
    struct sqlite_wake wake;

    struct fork_guard fork; /* what a forked child must let go of */
    int lines;               /* how many of the two were made */
    struct sqlite_line write_line, read_line;
    atomic_bool reopen_reader; /* the writer saw the file go wrong */
    int checkpoint_at;         /* frames in the WAL */
    int64_t looked_at;         /* ns: when the files were last looked for */
    _Atomic pawl_time last_now; /* sqlite_now */
};

extern const struct pawl_storage_ops sqlite_storage_ops;

/* The URL of the usual spool for the primary at `where`: beside the default file, a
 * file of its own. As path_resolve(). */
enum pawl_status sqlite_spool_url(const char *where, char *url, size_t size,
                                  struct pawl_error *err);

enum pawl_status sqlite_put(struct pawl_storage *self, const struct pawl_put *in,
                            struct pawl_put_result *results,
                            struct pawl_error *err);
enum pawl_status sqlite_exchange(struct pawl_storage *self,
                                 const struct pawl_exchange *in,
                                 struct pawl_exchange_reply *out,
                                 struct pawl_error *err);
enum pawl_status sqlite_renew(struct pawl_storage *self,
                              const struct pawl_renew *in,
                              enum pawl_status *results, struct pawl_error *err);
enum pawl_status sqlite_sweep(struct pawl_storage *self,
                              const struct pawl_sweep *in,
                              struct pawl_sweep_reply *out,
                              struct pawl_error *err);
enum pawl_status sqlite_get(struct pawl_storage *self, const char *queue,
                            struct pawl_id id, struct pawl_job **out,
                            struct pawl_error *err);
enum pawl_status sqlite_list(struct pawl_storage *self,
                             const struct pawl_list *in,
                             struct pawl_list_reply *out,
                             struct pawl_error *err);
enum pawl_status sqlite_alter(struct pawl_storage *self,
                              const struct pawl_alter *in,
                              struct pawl_alter_reply *out,
                              struct pawl_error *err);
enum pawl_status sqlite_take_out(struct pawl_storage *self,
                                 const struct pawl_take_out *in,
                                 struct pawl_take_out_reply *out,
                                 struct pawl_error *err);
enum pawl_status sqlite_bring_in(struct pawl_storage *self,
                                 const struct pawl_bring_in *in,
                                 struct pawl_put_result *results,
                                 struct pawl_error *err);
enum pawl_status sqlite_tally(struct pawl_storage *self, const char *queue,
                              struct pawl_session mover, bool forget,
                              struct pawl_tally *out, struct pawl_error *err);
enum pawl_status sqlite_stats(struct pawl_storage *self, const char *queue,
                              struct pawl_stats **out, struct pawl_error *err);
enum pawl_status sqlite_health(struct pawl_storage *self,
                               struct pawl_health *out, struct pawl_error *err);

#endif
