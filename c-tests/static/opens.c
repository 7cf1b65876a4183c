/* Opens a plugin, uses and closes it, on three OS threads that end after that; it knows nothing of the library. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void *open_use_close(void *path) {
  void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (plugin == NULL) return dlerror();
  union {
    void *symbol;
    int (*call)(void);
  } use = {dlsym(plugin, "plugin")};
  if (use.call() != 1) return "it does not work";
  return dlclose(plugin) == 0 ? NULL : "not closed";
}

int main(int count, char **name) {
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    void *wrong = NULL;
    if (pthread_create(&thread, NULL, open_use_close, name[count - 1]) != 0 || pthread_join(thread, &wrong) != 0) return 2;
    if (wrong != NULL) return fprintf(stderr, "%s\n", (char *)wrong), 1;
  }
  puts("opened and closed 3 times");
}
