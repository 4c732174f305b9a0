/* SPDX-License-Identifier: 0BSD */
/*
 * A plugin of QEMU that counts how often each instruction is executed, between marks.
 *
 *     qemu-system-arm ... -plugin count_blocks.so,mark=ADDRESS,out=FILE
 *
 * QEMU translates straight runs of instructions, here called blocks. Each time the instruction at
 * ADDRESS (hexadecimal) begins one, the counts since the last time are appended to FILE and start
 * again from 0:
 *
 *     mark
 *     FIRST LAST COUNT TAKEN
 *
 * where FIRST and LAST are the addresses of a block's first and last instruction in hexadecimal,
 * COUNT is how often the block was executed, and TAKEN how often the next instruction was not the
 * one after LAST: how often LAST, if it is a branch, was taken.
 *
 * Only those parts of QEMU's plugin interface are used that all its versions have in common. They are
 * declared here, because distributions ship the emulator without the header. PLUGIN_VERSION is the
 * version of the interface that the installed emulator requires.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
typedef void (*translated_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed_t)(unsigned int cpu, void *data);

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated_t callback);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed_t callback,
                                                 int flags, void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
                                                        size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

/* The symbols that QEMU requires of a plugin. */
#define EXPORTED __attribute__((visibility("default")))
extern EXPORTED int qemu_plugin_version;
extern EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
                                        char **argv);
int qemu_plugin_version = PLUGIN_VERSION;

typedef struct block {
    struct block *older;
    uint64_t first;
    uint64_t last;
    uint64_t after; /* the address after the last instruction */
    uint64_t count;
    uint64_t taken;
} block_t;

static block_t *newest;
static block_t *running;
static uint64_t mark;
static FILE *out;

static void write_counts(void)
{
    for (block_t *block = newest; block != NULL; block = block->older) {
        if (block->count > 0) {
            fprintf(out, "%" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", block->first,
                    block->last, block->count, block->taken);
            block->count = 0;
            block->taken = 0;
        }
    }
}

static void executed(unsigned int cpu, void *data)
{
    block_t *const block = data;
    (void)cpu;
    if (running != NULL && running->after != block->first) {
        ++running->taken;
    }
    if (block->first == mark) {
        write_counts();
        fputs("mark\n", out);
        fflush(out); /* the emulated program may end at any time */
    }
    ++block->count;
    running = block;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    const size_t instructions = qemu_plugin_tb_n_insns(tb);
    const struct qemu_plugin_insn *const last = qemu_plugin_tb_get_insn(tb, instructions - 1);
    block_t *const block = calloc(1, sizeof *block);
    (void)id;
    if (block == NULL) {
        abort();
    }
    block->first = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    block->last = qemu_plugin_insn_vaddr(last);
    block->after = block->last + qemu_plugin_insn_size(last);
    block->older = newest;
    newest = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; ++i) {
        if (strncmp(argv[i], "mark=", 5) == 0) {
            mark = strtoull(argv[i] + 5, NULL, 16);
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (out == NULL) {
        fputs("count_blocks: cannot write the file given by out=\n", stderr);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
