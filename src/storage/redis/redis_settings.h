/* redis_settings.h - where the server is and how to speak with it, from a URL.
 *
 *   redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]      rediss:// the same over TLS
 *   redis+unix://[[USER]:PASSWORD@]/PATH/TO/SOCKET
 *   redis-sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]].../MASTER
 *   redis-cluster://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]]...
 *
 * with options after '?', see docs/man/pawl.1. IPv6 hosts stand in brackets.
 * What is in user and password is percent-decoded.
 */
#ifndef PAWL_STORAGE_REDIS_SETTINGS_H
#define PAWL_STORAGE_REDIS_SETTINGS_H

#include "pawl/storage.h"

#define REDIS_HOSTS_MOST 16
#define REDIS_TEXT_MAX 256

enum redis_kind { REDIS_SINGLE, REDIS_SENTINEL, REDIS_CLUSTER };

struct redis_address {
    char host[REDIS_TEXT_MAX]; /* name, IP without brackets, or path of a socket */
    int port;                  /* 0: a unix socket */
};

struct redis_login { /* "" where not given */
    char user[REDIS_TEXT_MAX];
    char password[REDIS_TEXT_MAX];
};

struct redis_tls_settings {
    bool on;
    bool insecure; /* no verification at all; health warns of it */
    char ca_file[REDIS_TEXT_MAX]; /* "": the system's */
    char cert_file[REDIS_TEXT_MAX], key_file[REDIS_TEXT_MAX]; /* of the client */
    char name[REDIS_TEXT_MAX]; /* the server's, to verify; "": the host's */
};

struct redis_settings {
    enum redis_kind kind;
    struct redis_address hosts[REDIS_HOSTS_MOST];
    int host_count;
    char master[REDIS_TEXT_MAX]; /* SENTINEL: its name there */
    struct redis_login login, sentinel_login;
    struct redis_tls_settings tls;
    int db;
    char prefix[64];       /* of all keys; without braces */
    int pool_size;         /* connections at once to one node; 10 */
    int max_retries;       /* of one call, besides the first try; -1: up to its
                              deadline */
    int replicas;          /* so many must have a change before it is answered; 0 */
    pawl_duration connect_timeout; /* 1000 */
    pawl_duration reply_timeout;   /* 2000: longest wait for one reply */
    bool caller_clock; /* for tests: time is config.clock's, not the server's */
    char where[1024];  /* for people: which store it is, without the password */
};

/* EINVAL: one line that names what is wrong. */
enum pawl_status redis_settings_parse(const char *scheme,
                                      const struct pawl_storage_config *config,
                                      struct redis_settings *out,
                                      struct pawl_error *err);
/* Wipe the passwords. */
void redis_settings_clear(struct redis_settings *settings);
/* "host:port", "[v6]:port" or the path of the socket, for messages. */
void redis_address_format(const struct redis_address *address, char *text,
                          size_t size);

#endif
