/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rstap_arch.h - registers and calling convention of x86_64, the only
 * architecture so far. The layout is the kernel's struct pt_regs
 * (arch/x86/include/asm/ptrace.h), unchanged from 5.10 to 7.2; the runtime
 * checks its size and offsets against the kernel's own when it is built.
 */
#ifndef RSTAP_ARCH_H
#define RSTAP_ARCH_H

struct rst_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};

/* DWARF register numbers: System V ABI for x86_64, figure 3.36. */
#define RST_DWARF_REGISTER_0	ax
#define RST_DWARF_REGISTER_1	dx
#define RST_DWARF_REGISTER_2	cx
#define RST_DWARF_REGISTER_3	bx
#define RST_DWARF_REGISTER_4	si
#define RST_DWARF_REGISTER_5	di
#define RST_DWARF_REGISTER_6	bp
#define RST_DWARF_REGISTER_7	sp
#define RST_DWARF_REGISTER_8	r8
#define RST_DWARF_REGISTER_9	r9
#define RST_DWARF_REGISTER_10	r10
#define RST_DWARF_REGISTER_11	r11
#define RST_DWARF_REGISTER_12	r12
#define RST_DWARF_REGISTER_13	r13
#define RST_DWARF_REGISTER_14	r14
#define RST_DWARF_REGISTER_15	r15
#define RST_DWARF_REGISTER_16	ip

/* rst_register(c, 5) is the lvalue c->regs->di; the number must be a literal. */
#define rst_register(c, number) ((c)->regs->RST_DWARF_REGISTER_##number)
#define rst_return_register(c) ((c)->regs->ax)

/* ---- interrupts, the stack, per-CPU memory --------------------------------- */

#define RST_INTERRUPTS_ON	0x200ul		/* of the flags register */
#define RST_FLAGS_ARE_VIRTUAL	(1ul << 63)	/* Xen PV: the kernel keeps them elsewhere */

#define rst_flags_save(flags) \
	__asm__ volatile("pushf; pop %0; cli" : "=r"(flags) : : "memory")
#define rst_interrupts_on() __asm__ volatile("sti" : : : "memory")

#define rst_relax() __asm__ volatile("pause" : : : "memory")

/* Tests of memory without a register in between, an instruction less each. */
#define rst_stack_has_no_bit_of(mask) \
	({ bool zero_; __asm__ volatile("testq %%rsp, %1" : "=@ccz"(zero_) : "m"(mask)); zero_; })
#define rst_is_set(word) \
	({ bool set_; __asm__("cmpl $0, %1" : "=@ccne"(set_) : "m"(word)); set_; })

/*
 * The word at a per-CPU address of the CPU that runs this: volatile keeps it
 * behind rst_flags_save(). The other is for what stays the same while a handler
 * runs and need not be read twice.
 */
#define rst_per_cpu_word(address) \
	({ unsigned long word_; __asm__ volatile("mov %%gs:(%1), %0" : "=r"(word_) : "r"(address)); word_; })
#define rst_per_cpu_constant(address) \
	({ unsigned long word_; __asm__("mov %%gs:(%1), %0" : "=r"(word_) : "r"(address)); word_; })

#endif /* RSTAP_ARCH_H */
