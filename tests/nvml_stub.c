/* A libnvidia-ml.so.1 with invented GPUs. What they do is read, at each call, from the file that
   LEPTON_NVML_STATE names:
       count N
       gpu INDEX use memory_used memory_total milliwatts celsius state     (state: ok, lost, hung)
       process INDEX pid memory
   A device that is not named does nothing. A hung one blocks the call for ever. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int Result;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Use;
typedef struct { unsigned pid; unsigned long long memory; unsigned gi, ci; } Process;
typedef struct { int index; } Device;

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, INSUFFICIENT = 7, GPU_IS_LOST = 15 };

static Device devices[16];

static FILE *state(void) {
  const char *path = getenv("LEPTON_NVML_STATE");
  return path ? fopen(path, "r") : NULL;
}

static int count(void) {
  FILE *file = state();
  int found = 0;
  char line[256];
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "count %d", &found) == 1) break;
  if (file) fclose(file);
  return found > 16 ? 16 : found;
}

static Result look(int index, unsigned *use, unsigned long long *used, unsigned long long *total,
                   unsigned *power, unsigned *celsius) {
  FILE *file = state();
  char line[256], word[16] = "ok";
  int i;
  *use = *power = *celsius = 0;
  *used = 0;
  *total = 16ULL << 30;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "gpu %d", &i) == 1 && i == index)
      sscanf(line, "gpu %d %u %llu %llu %u %u %15s", &i, use, used, total, power, celsius, word);
  if (file) fclose(file);
  if (!strcmp(word, "hung")) for (;;) pause();
  return strcmp(word, "lost") ? SUCCESS : GPU_IS_LOST;
}

#define LOOK(handle) \
  unsigned use, power, celsius; unsigned long long used, total; \
  Result result = look(((Device *)handle)->index, &use, &used, &total, &power, &celsius); \
  (void)use; (void)power; (void)celsius; (void)used; (void)total; \
  if (result) return result

Result nvmlInit_v2(void) { return SUCCESS; }
Result nvmlInitWithFlags(unsigned flags) { (void)flags; return SUCCESS; }
Result nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(Result result) {
  return result == GPU_IS_LOST ? "GPU is lost" : result == NOT_SUPPORTED ? "Not Supported" : "stub error";
}
Result nvmlDeviceGetCount_v2(unsigned *n) { *n = count(); return SUCCESS; }
Result nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
  if ((int)index >= count()) return INVALID;
  devices[index].index = index;
  *handle = &devices[index];
  return SUCCESS;
}
Result nvmlDeviceGetName(void *handle, char *text, unsigned length) {
  snprintf(text, length, "Invented GPU %d", ((Device *)handle)->index);
  return SUCCESS;
}
Result nvmlDeviceGetUUID(void *handle, char *text, unsigned length) {
  snprintf(text, length, "GPU-00000000-0000-0000-0000-%012d", ((Device *)handle)->index);
  return SUCCESS;
}
Result nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
  LOOK(handle);
  memory->total = total;
  memory->used = used;
  memory->free = total - used;
  return SUCCESS;
}
Result nvmlDeviceGetUtilizationRates(void *handle, Use *told) {
  LOOK(handle);
  told->gpu = use;
  told->memory = 0;
  return SUCCESS;
}
Result nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
  LOOK(handle);
  if (!power) return NOT_SUPPORTED;
  *milliwatts = power;
  return SUCCESS;
}
Result nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *milliwatts) {
  (void)handle;
  *milliwatts = 250000;
  return SUCCESS;
}
Result nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *told) {
  LOOK(handle);
  (void)sensor;
  *told = celsius;
  return SUCCESS;
}
static Result processes(void *handle, unsigned *n, Process *told) {
  FILE *file = state();
  char line[256];
  unsigned found = 0, room = *n, pid;
  int index;
  unsigned long long memory;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "process %d %u %llu", &index, &pid, &memory) == 3 &&
        index == ((Device *)handle)->index) {
      if (told && found < room) told[found] = (Process){pid, memory, 0xFFFFFFFF, 0xFFFFFFFF};
      found++;
    }
  if (file) fclose(file);
  *n = found;
  return found > room ? INSUFFICIENT : SUCCESS;
}
Result nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, Process *p) { return processes(h, n, p); }
Result nvmlDeviceGetComputeRunningProcesses_v2(void *h, unsigned *n, Process *p) { return processes(h, n, p); }
Result nvmlDeviceGetGraphicsRunningProcesses_v3(void *h, unsigned *n, Process *p) { (void)h; (void)p; *n = 0; return SUCCESS; }
Result nvmlDeviceGetGraphicsRunningProcesses_v2(void *h, unsigned *n, Process *p) { (void)h; (void)p; *n = 0; return SUCCESS; }
