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

#endif /* RSTAP_ARCH_H */
