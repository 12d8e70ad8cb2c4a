/* A libnvidia-ml.so.1 with invented GPUs. What they do is read from the file that LEPTON_NVML_STATE
   names, anew whenever it has been replaced. A line of it is one of
       count N                     so many devices
       gpu INDEX use memory_used memory_total milliwatts celsius state     (state: ok, lost, hung)
       mig INDEX SLOT memory_total a MIG device on it; none of these: MIG is off
       process INDEX pid memory [SLOT [use]]     told while such a process lives
       curve INDEX counter|sampled START s mW s mW …   its power: straight lines between points, in
                                   seconds from START (since the epoch); with or without a counter
       lost INDEX PATH             it is lost once this file is there
       hang INDEX PATH             its calls do not return while this file is there
       set INDEX NAME NUMBER       sm_clock memory_clock max_sm_clock (MHz), pcie_tx pcie_rx (KB/s),
                                   pcie_generation pcie_width, ecc_corrected ecc_uncorrected,
                                   nvlinks, nvlink_tx nvlink_rx (KiB), cpus (a mask)
   What a device has not been given, it does not support. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT = 7, GPU_IS_LOST = 15 };
enum { GPUS = 16, SLOTS = 8, POINTS = 32, PROCESSES = 128, SETTINGS = 16 };

typedef int Result;
typedef unsigned long long Big;
typedef struct { Big total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Use;
typedef struct { unsigned pid; Big memory; unsigned gi, ci; } Process;
typedef struct { unsigned pid; Big when; unsigned sm, memory, encoder, decoder; } ProcessUse;
typedef struct { unsigned field, scope; long long when, latency; int type, result; Big value; } Field;
typedef struct { int index, slot; } Device; /* slot -1: the whole GPU */

typedef struct {
  unsigned use, power, celsius;
  Big used, total, mig[SLOTS];
  char word[8], lost[256], hang[256];
  int points, counter, settings;
  double start, when[POINTS], watts[POINTS];
  struct { char name[24]; Big value; } set[SETTINGS];
} Gpu;

static struct {
  int count, processes;
  Gpu gpus[GPUS];
  struct { int index, slot; unsigned pid, use; Big memory; } process[PROCESSES];
} state;
static struct stat seen;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Device devices[GPUS][SLOTS + 1];

static void curve(Gpu *gpu, const char *text) {
  char kind[16];
  int used, more;
  if (sscanf(text, "%15s %lf%n", kind, &gpu->start, &used) != 2) return;
  gpu->counter = !strcmp(kind, "counter");
  for (gpu->points = 0; gpu->points < POINTS; gpu->points++, used += more)
    if (sscanf(text + used, "%lf %lf%n", &gpu->when[gpu->points], &gpu->watts[gpu->points], &more) != 2)
      return;
}

static void parse(FILE *file) {
  char line[1024], name[24];
  int i, slot, used;
  Big number;
  memset(&state, 0, sizeof state);
  for (i = 0; i < GPUS; i++) state.gpus[i].total = 16ULL << 30;
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "count %d", &i) == 1) { state.count = i > GPUS ? GPUS : i; continue; }
    if (sscanf(line, "%*s %d%n", &i, &used) != 1 || i < 0 || i >= GPUS) continue;
    Gpu *gpu = &state.gpus[i];
    const char *rest = line + used;
    if (!strncmp(line, "gpu ", 4))
      sscanf(rest, "%u %llu %llu %u %u %7s", &gpu->use, &gpu->used, &gpu->total, &gpu->power, &gpu->celsius, gpu->word);
    else if (sscanf(line, "mig %d %d %llu", &i, &slot, &number) == 3 && slot >= 0 && slot < SLOTS)
      gpu->mig[slot] = number;
    else if (!strncmp(line, "process ", 8) && state.processes < PROCESSES) {
      int at = state.processes;
      state.process[at].slot = -1;
      state.process[at].index = i;
      if (sscanf(rest, "%u %llu %d %u", &state.process[at].pid, &state.process[at].memory, &state.process[at].slot, &state.process[at].use) >= 2)
        state.processes++;
    } else if (!strncmp(line, "curve ", 6)) curve(gpu, rest);
    else if (!strncmp(line, "lost ", 5)) sscanf(rest, " %255s", gpu->lost);
    else if (!strncmp(line, "hang ", 5)) sscanf(rest, " %255s", gpu->hang);
    else if (gpu->settings < SETTINGS && sscanf(line, "set %d %23s %llu", &i, name, &number) == 3) {
      strcpy(gpu->set[gpu->settings].name, name);
      gpu->set[gpu->settings++].value = number;
    }
  }
}

/* Return with the lock held and the state up to date. */
static void enter(void) {
  const char *path = getenv("LEPTON_NVML_STATE");
  struct stat now;
  memset(&now, 0, sizeof now);
  pthread_mutex_lock(&lock);
  if (!path || stat(path, &now)) { memset(&state, 0, sizeof state); memset(&seen, 0, sizeof seen); return; }
  if (now.st_ino == seen.st_ino && now.st_size == seen.st_size && now.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
      now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec) return;
  FILE *file = fopen(path, "r");
  if (!file) return;
  parse(file);
  fclose(file);
  seen = now;
}

static void leave(void) { pthread_mutex_unlock(&lock); }

/* Copy what a device does now; wait while it hangs. */
static Result look(const Device *device, Gpu *gpu) {
  for (;; usleep(10000)) {
    enter();
    *gpu = state.gpus[device->index];
    leave();
    if (strcmp(gpu->word, "hung") && !(gpu->hang[0] && !access(gpu->hang, F_OK))) break;
  }
  if (!strcmp(gpu->word, "lost") || (gpu->lost[0] && !access(gpu->lost, F_OK))) return GPU_IS_LOST;
  return SUCCESS;
}

#define LOOK(handle) \
  Device *device = handle; Gpu gpu; \
  Result looked = look(device, &gpu); \
  if (looked) return looked
#define WHOLE(handle) LOOK(handle); if (device->slot >= 0) return NOT_SUPPORTED

static int mig(const Gpu *gpu) {
  for (int slot = 0; slot < SLOTS; slot++)
    if (gpu->mig[slot]) return 1;
  return 0;
}

static Result setting(void *handle, const char *name, Big *value) {
  WHOLE(handle);
  for (int i = 0; i < gpu.settings; i++)
    if (!strcmp(gpu.set[i].name, name)) { *value = gpu.set[i].value; return SUCCESS; }
  return NOT_SUPPORTED;
}

static Result small(void *handle, const char *name, unsigned *value) {
  Big number = 0;
  Result result = setting(handle, name, &number);
  if (!result) *value = (unsigned)number;
  return result;
}

/* The power at `t` seconds after the start in milliwatts; its integral until then in *millijoules. */
static double power_at(const Gpu *gpu, double t, double *millijoules) {
  *millijoules = 0;
  if (t <= gpu->when[0]) return gpu->watts[0];
  for (int i = 1; i < gpu->points; i++) {
    double from = gpu->when[i - 1], end = t < gpu->when[i] ? t : gpu->when[i];
    double slope = (gpu->watts[i] - gpu->watts[i - 1]) / (gpu->when[i] - from);
    double last = gpu->watts[i - 1] + slope * (end - from);
    *millijoules += (gpu->watts[i - 1] + last) / 2 * (end - from);
    if (t < gpu->when[i]) return last;
  }
  *millijoules += gpu->watts[gpu->points - 1] * (t - gpu->when[gpu->points - 1]);
  return gpu->watts[gpu->points - 1];
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

Result nvmlInit_v2(void) { return SUCCESS; }
Result nvmlInitWithFlags(unsigned flags) { (void)flags; return SUCCESS; }
Result nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(Result result) {
  switch (result) {
    case INVALID: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case GPU_IS_LOST: return "GPU is lost";
    default: return "stub error";
  }
}
Result nvmlSystemGetDriverVersion(char *text, unsigned length) { snprintf(text, length, "580.00"); return SUCCESS; }
Result nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13000; return SUCCESS; }
Result nvmlSystemGetCudaDriverVersion(int *version) { *version = 13000; return SUCCESS; }

static void *device_of(int index, int slot) {
  Device *device = &devices[index][slot + 1];
  *device = (Device){index, slot};
  return device;
}
Result nvmlDeviceGetCount_v2(unsigned *n) {
  enter();
  *n = state.count;
  leave();
  return SUCCESS;
}
Result nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
  unsigned count;
  nvmlDeviceGetCount_v2(&count);
  if (index >= count) return INVALID;
  *handle = device_of(index, -1);
  return SUCCESS;
}
Result nvmlDeviceGetUUID(void *handle, char *text, unsigned length) {
  Device *device = handle;
  if (device->slot < 0) snprintf(text, length, "GPU-00000000-0000-0000-0000-%012d", device->index);
  else snprintf(text, length, "MIG-00000000-0000-0000-%04d-%012d", device->slot, device->index);
  return SUCCESS;
}
Result nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
  char text[96];
  for (int index = 0; index < GPUS; index++)
    for (int slot = -1; slot < SLOTS; slot++) {
      enter();
      int there = index < state.count && (slot < 0 || state.gpus[index].mig[slot]);
      leave();
      if (!there) continue;
      *handle = device_of(index, slot);
      nvmlDeviceGetUUID(*handle, text, sizeof text);
      if (!strcmp(text, uuid)) return SUCCESS;
    }
  return NOT_FOUND;
}
Result nvmlDeviceGetIndex(void *handle, unsigned *index) { *index = ((Device *)handle)->index; return SUCCESS; }
Result nvmlDeviceGetName(void *handle, char *text, unsigned length) {
  Device *device = handle;
  snprintf(text, length, device->slot < 0 ? "Invented GPU %d" : "Invented GPU %d MIG", device->index);
  return SUCCESS;
}
Result nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
  (void)handle;
  *major = 9, *minor = 0;
  return SUCCESS;
}
Result nvmlDeviceGetCpuAffinity(void *handle, unsigned n, unsigned long *words) {
  Big mask;
  if (setting(handle, "cpus", &mask)) mask = (1ULL << sysconf(_SC_NPROCESSORS_ONLN)) - 1;
  memset(words, 0, n * sizeof *words);
  words[0] = mask;
  return SUCCESS;
}

Result nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
  WHOLE(handle);
  *current = *pending = mig(&gpu);
  return SUCCESS;
}
Result nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *n) { (void)handle; *n = SLOTS; return SUCCESS; }
Result nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned slot, void **found) {
  WHOLE(handle);
  if (slot >= SLOTS || !gpu.mig[slot]) return NOT_FOUND;
  *found = device_of(device->index, slot);
  return SUCCESS;
}
Result nvmlDeviceIsMigDeviceHandle(void *handle, unsigned *is) { *is = ((Device *)handle)->slot >= 0; return SUCCESS; }
Result nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *handle, void **whole) {
  *whole = device_of(((Device *)handle)->index, -1);
  return SUCCESS;
}
Result nvmlDeviceGetGpuInstanceId(void *handle, unsigned *id) {
  Device *device = handle;
  if (device->slot < 0) return NOT_SUPPORTED;
  *id = device->slot;
  return SUCCESS;
}
Result nvmlDeviceGetComputeInstanceId(void *handle, unsigned *id) { *id = 0; return SUCCESS; }

Result nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
  LOOK(handle);
  memory->total = device->slot < 0 ? gpu.total : gpu.mig[device->slot];
  memory->used = device->slot < 0 ? gpu.used : 0;
  memory->free = memory->total - memory->used;
  return SUCCESS;
}
Result nvmlDeviceGetUtilizationRates(void *handle, Use *told) {
  WHOLE(handle);
  if (mig(&gpu)) return NOT_SUPPORTED;
  *told = (Use){gpu.use, 0};
  return SUCCESS;
}
Result nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
  double energy;
  WHOLE(handle);
  if (!gpu.power && !gpu.points) return NOT_SUPPORTED;
  *milliwatts = gpu.points ? (unsigned)power_at(&gpu, now() - gpu.start, &energy) : gpu.power;
  return SUCCESS;
}
Result nvmlDeviceGetTotalEnergyConsumption(void *handle, Big *millijoules) {
  double energy;
  WHOLE(handle);
  if (!gpu.points || !gpu.counter) return NOT_SUPPORTED;
  power_at(&gpu, now() - gpu.start, &energy);
  *millijoules = (Big)energy + 1000000; /* since the driver was loaded: not from zero */
  return SUCCESS;
}
Result nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *milliwatts) {
  WHOLE(handle);
  *milliwatts = 250000;
  return SUCCESS;
}
Result nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *told) {
  WHOLE(handle);
  (void)sensor;
  *told = gpu.celsius;
  return SUCCESS;
}
Result nvmlDeviceGetClockInfo(void *handle, int type, unsigned *mhz) {
  return small(handle, type == 2 ? "memory_clock" : "sm_clock", mhz);
}
Result nvmlDeviceGetMaxClockInfo(void *handle, int type, unsigned *mhz) {
  return type == 2 ? NOT_SUPPORTED : small(handle, "max_sm_clock", mhz);
}
Result nvmlDeviceGetPcieThroughput(void *handle, int counter, unsigned *kilobytes) {
  return small(handle, counter ? "pcie_rx" : "pcie_tx", kilobytes);
}
Result nvmlDeviceGetCurrPcieLinkGeneration(void *h, unsigned *n) { return small(h, "pcie_generation", n); }
Result nvmlDeviceGetCurrPcieLinkWidth(void *h, unsigned *n) { return small(h, "pcie_width", n); }
Result nvmlDeviceGetTotalEccErrors(void *handle, int type, int counter, Big *n) {
  (void)counter;
  return setting(handle, type ? "ecc_uncorrected" : "ecc_corrected", n);
}
Result nvmlDeviceGetNvLinkState(void *handle, unsigned link, unsigned *active) {
  unsigned links;
  Result result = small(handle, "nvlinks", &links);
  if (result) return result;
  *active = link < links;
  return SUCCESS;
}
Result nvmlDeviceGetFieldValues(void *handle, int n, Field *fields) {
  for (int i = 0; i < n; i++) {
    const char *name = fields[i].field == 138 ? "nvlink_tx" : fields[i].field == 139 ? "nvlink_rx" : "";
    fields[i].type = 3; /* unsigned long long */
    fields[i].result = setting(handle, name, &fields[i].value);
    if (fields[i].result == GPU_IS_LOST) return GPU_IS_LOST;
  }
  return SUCCESS;
}

static Result processes(void *handle, unsigned *n, Process *told) {
  LOOK(handle);
  unsigned found = 0, room = *n;
  enter();
  for (int i = 0; i < state.processes; i++) {
    int slot = state.process[i].slot;
    unsigned pid = state.process[i].pid;
    if (state.process[i].index != device->index || kill((pid_t)pid, 0)) continue;
    if (device->slot >= 0 && slot != device->slot) continue;
    if (told && found < room)
      told[found] = (Process){pid, state.process[i].memory, slot < 0 ? 0xFFFFFFFF : (unsigned)slot, slot < 0 ? 0xFFFFFFFF : 0};
    found++;
  }
  leave();
  *n = found;
  return found > room ? INSUFFICIENT : SUCCESS;
}
Result nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, Process *p) { return processes(h, n, p); }
Result nvmlDeviceGetComputeRunningProcesses_v2(void *h, unsigned *n, Process *p) { return processes(h, n, p); }
Result nvmlDeviceGetGraphicsRunningProcesses_v3(void *h, unsigned *n, Process *p) { (void)h; (void)p; *n = 0; return SUCCESS; }
Result nvmlDeviceGetGraphicsRunningProcesses_v2(void *h, unsigned *n, Process *p) { (void)h; (void)p; *n = 0; return SUCCESS; }
Result nvmlDeviceGetProcessUtilization(void *handle, ProcessUse *told, unsigned *n, Big since) {
  WHOLE(handle);
  unsigned found = 0, room = *n;
  (void)since;
  enter();
  for (int i = 0; i < state.processes; i++)
    if (state.process[i].index == device->index && !kill((pid_t)state.process[i].pid, 0)) {
      if (told && found < room)
        told[found] = (ProcessUse){state.process[i].pid, (Big)(now() * 1e6), state.process[i].use, 0, 0, 0};
      found++;
    }
  leave();
  *n = found;
  return found > room ? INSUFFICIENT : SUCCESS;
}
