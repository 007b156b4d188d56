/* Makes fsync and fdatasync fail with EIO while the file named by FAILING_FSYNC exists. Loaded before libc
   by the test of failing syncs: the only way to make a real disk's refusal happen on demand. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int refuse(const char *name, int fd) {
    const char *flag = getenv("FAILING_FSYNC");
    if (flag != NULL && access(flag, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fsync(int fd) { return refuse("fsync", fd); }
int fdatasync(int fd) { return refuse("fdatasync", fd); }
