// Makes threads until there is no room for more.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *wait_(void *a) { pause(); return a; }
int main(void) {
    pthread_attr_t a; pthread_attr_init(&a); pthread_attr_setstacksize(&a, 65536);
    int n = 0, rc; pthread_t t;
    while (n < 40000 && (rc = pthread_create(&t, &a, wait_, NULL)) == 0) n++;
    printf("%s after %s\n", rc == EAGAIN ? "EAGAIN" : rc == 0 ? "none" : "other", n > 10 ? "many" : "few");
    fflush(stdout); _exit(0);
}
