// The only program of the boards' test systems: tries what a kernel does for programs and says so on the console.
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int tests, failed;

static void check(const char *name, int good) {
    tests++;
    failed += !good;
    printf("TEST %s %s\n", name, good ? "ok" : "FAIL");
}

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int arithmetic(void) {
    volatile double sum = 0;
    for (int n = 1; n <= 20000; n++) sum += 1.0 / ((double)n * n);
    return fabs(sum - 1.644884068098) < 1e-9 && sqrt(sum * sum) == sum;
}

static int sleeping(void) {
    double before = now(CLOCK_MONOTONIC);
    usleep(1200000);
    double slept = now(CLOCK_MONOTONIC) - before;
    return slept >= 1.2 && slept < 6;
}

static int children(void) {
    int good = 1;
    for (int n = 0; n < 10; n++)
        if (fork() == 0) _exit(n);
    for (int n = 0, status; n < 10; n++) good &= wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < 10;
    return good;
}

static int interrupts(void) {
    char line[512], *found = NULL;
    FILE *stat = fopen("/proc/stat", "r");
    while (stat && !found && fgets(line, sizeof line, stat))
        if (strncmp(line, "intr ", 5) == 0) found = line + 5;
    if (stat) fclose(stat);
    return found && atol(found) > 20;
}

// A file through the file system, the disk's driver and back.
static int disk(const char *device) {
    static unsigned char wrote[1 << 18], got[1 << 18];
    for (unsigned n = 0; n < sizeof wrote; n++) wrote[n] = n * 2654435761u >> 13;
    for (int round = 0; round < 2; round++) {
        if (mount(device, "/mnt", "ext2", 0, "")) return 0;
        int fd = open("/mnt/file", round ? O_RDONLY : O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (fd < 0) return 0;
        ssize_t done = round ? read(fd, got, sizeof got) : write(fd, wrote, sizeof wrote);
        close(fd);
        if (done != sizeof wrote || umount("/mnt")) return 0;
    }
    return memcmp(wrote, got, sizeof got) == 0;
}

int main(void) {
    struct utsname name;
    char command[1024] = "", *word;
    setvbuf(stdout, NULL, _IONBF, 0);
    mkdir("/proc", 0755);
    mkdir("/mnt", 0755);
    check("proc", mount("proc", "/proc", "proc", 0, "") == 0);
    mount("dev", "/dev", "devtmpfs", 0, "");
    FILE *line = fopen("/proc/cmdline", "r");
    if (line && fgets(command, sizeof command, line)) command[strcspn(command, "\n")] = 0;
    uname(&name);
    printf("Linux %s %s\n", name.release, name.machine);
    check("float", arithmetic());
    check("timer", sleeping());
    check("fork", children());
    check("interrupts", interrupts());
    if ((word = strstr(command, "disk="))) {
        word += 5;
        word[strcspn(word, " ")] = 0;
        check("disk", disk(word));
    }
    printf("BOOT %s tests=%d failed=%d\n", failed ? "BAD" : "OK", tests, failed);
    sync();
    reboot(RB_POWER_OFF);
    for (;;) pause();
}
