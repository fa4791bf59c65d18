/* sqlite_shrink.h - giving pages back that a backlog has left behind. */
#ifndef PAWL_SQLITE_SHRINK_H
#define PAWL_SQLITE_SHRINK_H

#include "sqlite_call.h"

/* If most of the file is free pages, give a MiB of them back. Part of a sweep. */
enum pawl_status shrink_file(struct sqlite_call *call);

#endif
