/* SPDX-License-Identifier: 0BSD */
/*
 * From reset to main() and back on the emulated Cortex-M4 (QEMU, machine mps2-an386).
 *
 * stdin and stdout are those of the host, by semihosting: `_read` reports the end of a file, and
 * the return value of main() becomes QEMU's exit status. A fault, such as a write to the flash,
 * prints a line and ends QEMU with status 99. The only heap is a few KiB for the C library's FILEs.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/time.h>

#define SEMIHOSTING_OPEN 0x01u
#define SEMIHOSTING_WRITE 0x05u
#define SEMIHOSTING_READ 0x06u
#define SEMIHOSTING_EXIT_EXTENDED 0x20u
#define OPEN_FOR_READING 0u
#define OPEN_FOR_WRITING 4u
#define APPLICATION_EXIT 0x20026u

#define FAULT_STATUS 99
#define TIMER_TICKS_PER_MICROSECOND 25u

/* Defined in the linker script. */
extern uint32_t data_load[];
extern uint32_t data_start[];
extern uint32_t data_end[];
extern uint32_t bss_start[];
extern uint32_t bss_end[];
extern uint32_t stack_top[];
extern char stdio_start[];
extern char stdio_end[];

extern int main(void);
extern void __libc_init_array(void);

void reset_handler(void);
void report_fault(void) __attribute__((noreturn, used));
void _init(void);
void _fini(void);
void _exit(int status) __attribute__((noreturn));
int _read(int file, char *data, int size);
int _write(int file, const char *data, int size);
int _close(int file);
int _fstat(int file, struct stat *status);
int _isatty(int file);
int _lseek(int file, int offset, int whence);
int _kill(int process, int signal);
int _getpid(void);
void *_sbrk(ptrdiff_t increment);
int _gettimeofday(struct timeval *now, void *zone);

/* System control block, memory protection, and timer 0 of the machine, counting down at 25 MHz. */
static volatile uint32_t *const CPACR = (volatile uint32_t *)0xE000ED88u;
static volatile uint32_t *const MPU_CTRL = (volatile uint32_t *)0xE000ED94u;
static volatile uint32_t *const MPU_RNR = (volatile uint32_t *)0xE000ED98u;
static volatile uint32_t *const MPU_RBAR = (volatile uint32_t *)0xE000ED9Cu;
static volatile uint32_t *const MPU_RASR = (volatile uint32_t *)0xE000EDA0u;
static volatile uint32_t *const TIMER0_CTRL = (volatile uint32_t *)0x40000000u;
static volatile uint32_t *const TIMER0_VALUE = (volatile uint32_t *)0x40000004u;
static volatile uint32_t *const TIMER0_RELOAD = (volatile uint32_t *)0x40000008u;

static int console_in = -1;
static int console_out = -1;

/* A line of output: semihosting is too slow for a call for every character. */
static char line[128];
static size_t line_size;

static int semihosting(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int)r0;
}

static int open_console(uint32_t mode)
{
    static const char name[] = ":tt";
    const uint32_t arguments[3] = { (uint32_t)(uintptr_t)name, mode, sizeof name - 1u };
    return semihosting(SEMIHOSTING_OPEN, arguments);
}

static void flush_line(void)
{
    const uint32_t arguments[3] = { (uint32_t)console_out, (uint32_t)(uintptr_t)line, line_size };
    if (line_size > 0u) {
        (void)semihosting(SEMIHOSTING_WRITE, arguments);
        line_size = 0u;
    }
}

int _write(int file, const char *data, int size)
{
    (void)file;
    for (int i = 0; i < size; ++i) {
        line[line_size] = data[i];
        ++line_size;
        if (data[i] == '\n' || line_size == sizeof line) {
            flush_line();
        }
    }
    return size;
}

int _read(int file, char *data, int size)
{
    const uint32_t arguments[3] = { (uint32_t)console_in, (uint32_t)(uintptr_t)data,
                                    (uint32_t)size };
    (void)file;
    flush_line();
    /* The call returns the number of bytes that were not read. */
    return size - semihosting(SEMIHOSTING_READ, arguments);
}

void _exit(int status)
{
    const uint32_t arguments[2] = { APPLICATION_EXIT, (uint32_t)status };
    flush_line();
    for (;;) {
        (void)semihosting(SEMIHOSTING_EXIT_EXTENDED, arguments);
    }
}

int _gettimeofday(struct timeval *now, void *zone)
{
    /* Counts microseconds since reset, if it is called at least every 171 s. */
    static uint32_t last;
    static uint64_t ticks;
    const uint32_t elapsed = UINT32_MAX - *TIMER0_VALUE;
    (void)zone;
    ticks += (uint32_t)(elapsed - last);
    last = elapsed;
    const uint64_t microseconds = ticks / TIMER_TICKS_PER_MICROSECOND;
    now->tv_sec = (time_t)(microseconds / 1000000u);
    now->tv_usec = (suseconds_t)(microseconds % 1000000u);
    return 0;
}

int _close(int file)
{
    (void)file;
    return -1;
}

int _fstat(int file, struct stat *status)
{
    (void)file;
    status->st_mode = S_IFCHR;
    return 0;
}

int _isatty(int file)
{
    (void)file;
    return 1;
}

int _lseek(int file, int offset, int whence)
{
    (void)file;
    (void)offset;
    (void)whence;
    return 0;
}

int _kill(int process, int signal)
{
    (void)process;
    (void)signal;
    errno = EINVAL;
    return -1;
}

int _getpid(void)
{
    return 1;
}

void *_sbrk(ptrdiff_t increment)
{
    static char *next = stdio_start;
    char *const block = next;
    if (increment < stdio_start - next || increment > stdio_end - next) {
        errno = ENOMEM;
        return (void *)-1;
    }
    next += increment;
    return block;
}

/* Required by __libc_init_array() and its counterpart. */
void _init(void)
{
}

void _fini(void)
{
}

void report_fault(void)
{
    static const char message[] =
        "\ncore fault: the program left its memory or met a bad instruction\n";
    (void)_write(1, message, (int)sizeof message - 1);
    _exit(FAULT_STATUS);
}

/* Starts a new stack, because the old one may have overflowed. */
__attribute__((naked)) static void fault_handler(void)
{
    __asm__ volatile("ldr r0, =stack_top\n\tmov sp, r0\n\tbl report_fault");
}

/* Makes the 1 MiB below the stack inaccessible, and the first 4 MiB, the flash, read-only. */
static void protect_memory(void)
{
    const uint32_t enabled = 1u;
    const uint32_t normal_memory = 1u << 17;
    const uint32_t read_only = 6u << 24;
    const uint32_t size_4_mib = 21u << 1;
    const uint32_t size_1_mib = 19u << 1;
    const uint32_t with_default_map = 4u;

    *MPU_RNR = 0u;
    *MPU_RBAR = 0u;
    *MPU_RASR = read_only | normal_memory | size_4_mib | enabled;
    *MPU_RNR = 1u;
    *MPU_RBAR = 0x1FF00000u;
    *MPU_RASR = normal_memory | size_1_mib | enabled;
    *MPU_CTRL = with_default_map | enabled;
    __asm__ volatile("dsb\n\tisb" : : : "memory");
}

void reset_handler(void)
{
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to != data_end; ++to) {
        *to = *from;
        ++from;
    }
    for (uint32_t *to = bss_start; to != bss_end; ++to) {
        *to = 0u;
    }

    /* Enables the FPU: full access to coprocessors 10 and 11. */
    *CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb" : : : "memory");

    protect_memory();

    *TIMER0_RELOAD = UINT32_MAX;
    *TIMER0_VALUE = UINT32_MAX;
    *TIMER0_CTRL = 1u;

    console_in = open_console(OPEN_FOR_READING);
    console_out = open_console(OPEN_FOR_WRITING);
    __libc_init_array();
    _exit(main());
}

typedef union {
    uint32_t *stack;
    void (*handler)(void);
} vector_t;

__attribute__((section(".vectors"), used)) static const vector_t vectors[16] = {
    { .stack = stack_top },       /* initial stack pointer */
    { .handler = reset_handler }, /* reset */
    { .handler = fault_handler }, /* NMI */
    { .handler = fault_handler }, /* HardFault */
    { .handler = fault_handler }, /* MemManage */
    { .handler = fault_handler }, /* BusFault */
    { .handler = fault_handler }, /* UsageFault */
    { .handler = fault_handler }, /* reserved */
    { .handler = fault_handler }, /* reserved */
    { .handler = fault_handler }, /* reserved */
    { .handler = fault_handler }, /* reserved */
    { .handler = fault_handler }, /* SVCall */
    { .handler = fault_handler }, /* debug monitor */
    { .handler = fault_handler }, /* reserved */
    { .handler = fault_handler }, /* PendSV */
    { .handler = fault_handler }, /* SysTick */
};
