/* certificate.h - certificates for tests, made in a moment (P-256). */
#ifndef PAWL_TEST_CERTIFICATE_H
#define PAWL_TEST_CERTIFICATE_H

struct certificate {
    const char *name;   /* FOLDER/NAME.crt and NAME.key are written; its CN */
    const char *issuer; /* whose .crt and .key are there already; NULL: itself,
                           and it may sign others */
    const char *names;  /* "DNS:localhost,IP:127.0.0.1"; NULL: none */
    int from_day, to_day; /* it is good, counted from now; both 0: -1 to 30 */
};

/* Ends the process when it cannot. */
void certificate_make(const char *folder, const struct certificate *what);
/* "ca", "server" for localhost, 127.0.0.1 and ::1, and "client". */
void certificate_make_usual(const char *folder);

#endif
