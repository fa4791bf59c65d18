/* memory_methods.h - the methods of pawl/storage.h, as memory.c lists them. */
#ifndef PAWL_STORAGE_MEMORY_METHODS_H
#define PAWL_STORAGE_MEMORY_METHODS_H

#include "pawl/storage.h"

enum pawl_status memory_put(struct pawl_storage *self, const struct pawl_put *in,
                            struct pawl_put_result *results,
                            struct pawl_error *err);
enum pawl_status memory_exchange(struct pawl_storage *self,
                                 const struct pawl_exchange *in,
                                 struct pawl_exchange_reply *out,
                                 struct pawl_error *err);
enum pawl_status memory_renew(struct pawl_storage *self,
                              const struct pawl_renew *in,
                              enum pawl_status *results, struct pawl_error *err);
enum pawl_status memory_sweep(struct pawl_storage *self,
                              const struct pawl_sweep *in,
                              struct pawl_sweep_reply *out,
                              struct pawl_error *err);
enum pawl_status memory_get(struct pawl_storage *self, const char *queue,
                            struct pawl_id id, struct pawl_job **out,
                            struct pawl_error *err);
enum pawl_status memory_list(struct pawl_storage *self,
                             const struct pawl_list *in,
                             struct pawl_list_reply *out, struct pawl_error *err);
enum pawl_status memory_alter(struct pawl_storage *self,
                              const struct pawl_alter *in,
                              struct pawl_alter_reply *out,
                              struct pawl_error *err);
enum pawl_status memory_take_out(struct pawl_storage *self,
                                 const struct pawl_take_out *in,
                                 struct pawl_take_out_reply *out,
                                 struct pawl_error *err);
enum pawl_status memory_bring_in(struct pawl_storage *self,
                                 const struct pawl_bring_in *in,
                                 struct pawl_put_result *results,
                                 struct pawl_error *err);
enum pawl_status memory_tally(struct pawl_storage *self, const char *queue,
                              struct pawl_session mover, bool forget,
                              struct pawl_tally *out, struct pawl_error *err);
enum pawl_status memory_stats(struct pawl_storage *self, const char *queue,
                              struct pawl_stats **out, struct pawl_error *err);
enum pawl_status memory_health(struct pawl_storage *self,
                               struct pawl_health *out, struct pawl_error *err);

#endif
