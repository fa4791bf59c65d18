/* openssl.c - see openssl.h. */
#include "util/openssl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TEXT_OF(number) #number
#define LIBRARY_OF(version) "libssl.so." TEXT_OF(version)
/* That of the headers; it brings libcrypto along. */
#define LIBRARY LIBRARY_OF(OPENSSL_SHLIB_VERSION)

struct openssl openssl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char problem[200]; /* empty: none */

/* An object pointer into a function pointer, which C does not convert. */
static bool find(void *library, const char *name, void *call, size_t size)
{
    void *found = dlsym(library, name);
    memcpy(call, &found, size);
    return found;
}

static void load(void)
{
    /* It is never closed: it has handlers that run at exit. */
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    bool loaded = library;
#define X(name) loaded = loaded && find(library, #name, &openssl.name, sizeof(void *));
    OPENSSL_CALLS(X)
#undef X
    if (!loaded)
        snprintf(problem, sizeof problem, "cannot load OpenSSL: %s", dlerror());
}

const char *openssl_load(void)
{
    pthread_once(&once, load);
    return problem[0] ? problem : NULL;
}
