/* SPDX-License-Identifier: MIT */
#include "sim/path.h"

#include "sim/disk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Goes one name further, or back; `len` is that of the path, which is none for the root. */
static int go(char *path, size_t *len, const char *name, size_t name_len)
{
    if (name_len == 0 || (name_len == 1 && name[0] == '.'))
        return 0;
    if (name_len == 2 && memcmp(name, "..", 2) == 0) {
        while (*len > 0 && path[--*len] != '/') { /* ends: with the path, if not before */
        }
        return 0;
    }
    if (name_len > NAME_MAX || *len + 1 + name_len >= PATH_MAX)
        return -ENAMETOOLONG;
    path[(*len)++] = '/';
    memcpy(path + *len, name, name_len);
    *len += name_len;
    return 0;
}

static int go_along(char *path, size_t *len, const char *names)
{
    int err = 0;
    while (err == 0 && *names != '\0') { /* ends: with the names */
        size_t name_len = strcspn(names, "/");
        err = go(path, len, names, name_len);
        names += name_len + (names[name_len] == '/' ? 1 : 0);
    }
    return err;
}

int coil__sim_path_read(struct coil__sim_path *path, const char *base, const char *given)
{
    char here[PATH_MAX] = "";
    size_t len = 0;
    if (given == NULL)
        return -EFAULT;
    size_t given_len = strlen(given);
    if (given_len == 0)
        return -ENOENT;
    if (base == NULL)
        base = given[0] != '/' && getcwd(here, sizeof(here)) != NULL ? here : "/";
    int err = given[0] != '/' ? go_along(path->text, &len, base) : 0;
    err = err < 0 ? err : go_along(path->text, &len, given);
    if (err < 0)
        return err;
    path->of_directory = given[given_len - 1] == '/';
    if (len == 0)
        path->text[len++] = '/';
    path->text[len] = '\0';
    return 0;
}

bool coil__sim_path_is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int coil__sim_path_check(const struct coil__sim_path *path)
{
    struct coil__sim_path parent = *path;
    bool exists = true;
    char *slash;
    while ((slash = strrchr(parent.text, '/')) != parent.text) { /* ends: at the root */
        *slash = '\0';
        if (coil__sim_path_is_directory(parent.text))
            break;
        if (coil__sim_disk_find(parent.text) != NULL)
            return -ENOTDIR;
        exists = false;
    }
    return exists ? 0 : -ENOENT;
}
