// SPDX-License-Identifier: BSD-2-Clause
/*
 * A 16550A serial port (National Semiconductor, "PC16550D Universal Asynchronous
 * Receiver/Transmitter with FIFOs"; section titles below are of that data sheet).
 *
 * The line at the other end is a character device of the host. It has no bit rate: a byte is sent
 * at once if the host takes it and else waits in the transmitter, which then reports that it is
 * not empty. Line settings (rate, word length, parity, stop bits, break) are kept and have no
 * effect. A BREAK that the other end sends is received. docs/devices.md lists the registers and what is left out.
 */
#include "devices/chardev.h"
#include "devices/classes.h"
#define LOG_AREA AREA_CONSOLE
#include "kvm/log.h"

enum {
	REG_DATA = 0, /* RBR, THR; DLL with DLAB */
	REG_IER = 1,  /* DLM with DLAB */
	REG_IIR = 2,  /* read; FCR on write */
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
	REG_SCR = 7,

	IER_RX = 0x01,    /* ERBFI: received data available, character timeout */
	IER_THRE = 0x02,  /* ETBEI: transmitter holding register empty */
	IER_LINE = 0x04,  /* ELSI: receiver line status */
	IER_MODEM = 0x08, /* EDSSI: modem status */
	IER_MASK = 0x0f,

	IIR_MODEM = 0x00,
	IIR_NONE = 0x01,
	IIR_THRE = 0x02,
	IIR_DATA = 0x04,
	IIR_LINE = 0x06,
	IIR_TIMEOUT = 0x0c,
	IIR_FIFOS = 0xc0,

	FCR_ENABLE = 0x01,
	FCR_CLEAR_RX = 0x02,
	FCR_CLEAR_TX = 0x04,
	FCR_TRIGGER_SHIFT = 6,

	LCR_DLAB = 0x80,

	MCR_DTR = 0x01,
	MCR_RTS = 0x02,
	MCR_OUT1 = 0x04,
	MCR_OUT2 = 0x08,
	MCR_LOOP = 0x10,
	MCR_MASK = 0x1f,

	LSR_DR = 0x01,
	LSR_OE = 0x02,
	LSR_BI = 0x10,
	LSR_THRE = 0x20,
	LSR_TEMT = 0x40,
	LSR_FIFO = 0x80,

	MSR_DELTAS = 0x0f, /* DCTS, DDSR, TERI, DDCD: each 4 below its line */
	MSR_CTS = 0x10,
	MSR_DSR = 0x20,
	MSR_RI = 0x40,
	MSR_DCD = 0x80,

	FIFO_SIZE = 16,
};

struct fifo {
	uint8_t byte[FIFO_SIZE];
	uint16_t breaks; /* bits: which of them stand for a BREAK that was not told yet */
	uint8_t first, count;
};

struct serial {
	struct device dev;
	struct chardev *chr; /* NULL: output vanishes, no input */

	uint8_t ier, lcr, mcr, msr, scr, dll, dlm;
	bool fifos;         /* FCR bit 0 */
	uint8_t trigger;    /* received bytes that raise IIR_DATA */
	struct fifo rx, tx; /* the holding registers are FIFOs of one byte */
	bool overrun;       /* LSR_OE */
	bool thre;          /* the transmitter's interrupt is pending */
	bool line;          /* level driven on dev.irq */
	bool handshake;     /* the guest has asserted DTR or RTS at least once */
	bool input;         /* the host may have input */
	bool reported_lost_output;
};

static unsigned int fifo_depth(const struct serial *s)
{
	return s->fifos ? FIFO_SIZE : 1;
}

/* False: it was full. Then a FIFO keeps what it has, a lone holding register takes the new byte. */
static bool fifo_push(struct fifo *f, unsigned int depth, uint8_t byte)
{
	bool room = f->count < depth;

	if (room)
		f->byte[(f->first + f->count++) % FIFO_SIZE] = byte;
	else if (depth == 1)
		f->byte[f->first] = byte;
	return room;
}

static uint8_t fifo_pop(struct fifo *f)
{
	uint8_t byte = f->byte[f->first];

	f->breaks &= (uint16_t) ~(1u << f->first);
	f->first = (f->first + 1) % FIFO_SIZE;
	f->count--;
	return byte;
}

/* "Line Status Register", bit 4: told when the byte that stands for it is the next one to be read. */
static bool break_is_next(const struct serial *s)
{
	return s->rx.count && (s->rx.breaks & 1u << s->rx.first);
}

/*
 * "Interrupt Identification Register": the pending source of highest priority. There is no time
 * base, so received bytes below the trigger level are reported as timed out from the start: a
 * guest never waits for input that is there.
 */
static uint8_t interrupt_id(const struct serial *s)
{
	if ((s->ier & IER_LINE) && (s->overrun || break_is_next(s)))
		return IIR_LINE;
	if ((s->ier & IER_RX) && s->rx.count)
		return s->rx.count >= s->trigger ? IIR_DATA : IIR_TIMEOUT;
	if ((s->ier & IER_THRE) && s->thre)
		return IIR_THRE;
	if ((s->ier & IER_MODEM) && (s->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

/*
 * As on every PC, the OUT2 output connects the interrupt to its line. Loopback disconnects the
 * modem outputs ("Modem Control Register", bit 4), hence the line too.
 */
static void update_line(struct serial *s)
{
	bool level = (s->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2 && interrupt_id(s) != IIR_NONE;

	if (level != s->line) {
		s->line = level;
		irq_line_set(&s->dev.irq, level);
	}
}

static void receive(struct serial *s, uint8_t byte)
{
	if (!fifo_push(&s->rx, fifo_depth(s), byte))
		s->overrun = true;
}

/*
 * Whether the host's side may send. It keeps to the hardware handshake: it sends while RTS is
 * asserted. That is more than good manners: drivers clear the receiver while they set the port up
 * and assert RTS when done, so what was piped to the console early waits in the host instead of
 * being cleared away. A guest that never touched DTR and RTS does not know the handshake; it is
 * served when it looks: by polling LSR or by enabling the interrupt.
 */
static bool may_send(const struct serial *s, bool polled)
{
	if (s->mcr & MCR_LOOP)
		return false;
	if (s->handshake)
		return s->mcr & MCR_RTS;
	return polled || (s->ier & IER_RX);
}

/* Takes waiting input from the host as far as there is room: no more, so none is ever lost. */
static void pull_input(struct serial *s, bool polled)
{
	uint8_t buf[FIFO_SIZE];
	size_t room = fifo_depth(s) - s->rx.count;
	size_t got;

	if (!s->input || !room || !may_send(s, polled))
		return;
	got = s->chr->ops->get(s->chr, buf, room);
	if (got < room)
		s->input = false; /* until readable() */
	for (size_t i = 0; i < got; i++)
		receive(s, buf[i]);
}

static bool send(struct serial *s, uint8_t byte)
{
	return s->chr->ops->put(s->chr, &byte, 1) == 1;
}

/* Hands waiting output to the host until it refuses. */
static void drain_output(struct serial *s)
{
	while (s->tx.count && send(s, s->tx.byte[s->tx.first])) {
		fifo_pop(&s->tx);
		s->thre = s->tx.count == 0;
	}
}

static void transmit(struct serial *s, uint8_t byte)
{
	if (s->mcr & MCR_LOOP) {
		receive(s, byte);
	} else if (s->chr && (s->tx.count || !send(s, byte))) {
		if (!fifo_push(&s->tx, fifo_depth(s), byte) && !s->reported_lost_output) {
			s->reported_lost_output = true;
			log_debug("serial: the guest wrote to a full transmitter, output is lost");
		}
	}
	s->thre = s->tx.count == 0;
}

/* "FIFO Control Register". The other bits count only if bit 0 is set; changing bit 0 clears both. */
static void write_fcr(struct serial *s, uint8_t value)
{
	static const uint8_t triggers[] = { 1, 4, 8, 14 };
	bool enable = value & FCR_ENABLE;
	bool changed = enable != s->fifos;

	if (changed || (enable && (value & FCR_CLEAR_RX)))
		s->rx.count = s->rx.breaks = 0;
	if ((changed || (enable && (value & FCR_CLEAR_TX))) && s->tx.count) {
		s->tx.count = 0;
		s->thre = true;
	}
	s->fifos = enable;
	s->trigger = enable ? triggers[value >> FCR_TRIGGER_SHIFT] : 1;
	pull_input(s, false);
}

static void write_ier(struct serial *s, uint8_t value)
{
	/* "Interrupt Enable Register": enabling it while THR is empty raises the THRE interrupt. */
	if ((value & IER_THRE) && !(s->ier & IER_THRE))
		s->thre = s->tx.count == 0;
	s->ier = value & IER_MASK;
	pull_input(s, false);
}

/* "Modem Status Register": the lines, and which of them have changed since the last read. */
static void update_modem_status(struct serial *s)
{
	uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD; /* the other end is there and listens */
	uint8_t changed;

	if (s->mcr & MCR_LOOP) {
		lines = (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
			(s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
	}
	changed = (s->msr ^ lines) & ~MSR_DELTAS;
	changed &= ~(lines & MSR_RI); /* TERI: only the trailing edge of RI counts */
	s->msr = lines | (s->msr & MSR_DELTAS) | changed >> 4;
}

static void write_mcr(struct serial *s, uint8_t value)
{
	s->mcr = value & MCR_MASK;
	if (!(value & MCR_LOOP) && (value & (MCR_DTR | MCR_RTS)))
		s->handshake = true;
	update_modem_status(s);
	pull_input(s, false);
}

static uint8_t read_rbr(struct serial *s)
{
	uint8_t byte = s->rx.count ? fifo_pop(&s->rx) : 0;

	pull_input(s, false);
	return byte;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	if (id == IIR_THRE)
		s->thre = false;
	return id | (s->fifos ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr;

	pull_input(s, true);
	lsr = (s->rx.count ? LSR_DR : 0) | (s->overrun ? LSR_OE : 0) |
	      (s->tx.count ? 0 : LSR_THRE | LSR_TEMT) | (break_is_next(s) ? LSR_BI : 0) |
	      (s->fifos && s->rx.breaks ? LSR_FIFO : 0);
	s->overrun = false;
	if (s->rx.count)
		s->rx.breaks &= (uint16_t) ~(1u << s->rx.first);
	return lsr;
}

static uint8_t read_msr(struct serial *s)
{
	uint8_t msr = s->msr;

	s->msr &= ~MSR_DELTAS;
	return msr;
}

static bool serial_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct serial *s = (struct serial *)dev;

	(void)size; /* always 1 */
	switch (offset) {
	case REG_DATA:
		*value = s->lcr & LCR_DLAB ? s->dll : read_rbr(s);
		break;
	case REG_IER:
		*value = s->lcr & LCR_DLAB ? s->dlm : s->ier;
		break;
	case REG_IIR:
		*value = read_iir(s);
		break;
	case REG_LCR:
		*value = s->lcr;
		break;
	case REG_MCR:
		*value = s->mcr;
		break;
	case REG_LSR:
		*value = read_lsr(s);
		break;
	case REG_MSR:
		*value = read_msr(s);
		break;
	case REG_SCR:
		*value = s->scr;
		break;
	default:
		return false;
	}
	update_line(s);
	return true;
}

static bool serial_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct serial *s = (struct serial *)dev;

	(void)size; /* always 1 */
	switch (offset) {
	case REG_DATA:
		if (s->lcr & LCR_DLAB)
			s->dll = value;
		else
			transmit(s, value);
		break;
	case REG_IER:
		if (s->lcr & LCR_DLAB)
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case REG_IIR:
		write_fcr(s, value);
		break;
	case REG_LCR:
		s->lcr = value;
		break;
	case REG_MCR:
		write_mcr(s, value);
		break;
	case REG_LSR: /* for factory testing only, says the data sheet */
	case REG_MSR:
		break;
	case REG_SCR:
		s->scr = value;
		break;
	default:
		return false;
	}
	update_line(s);
	return true;
}

static void serial_readable(void *ctx)
{
	struct serial *s = ctx;

	pthread_mutex_lock(&s->dev.lock);
	s->input = true;
	pull_input(s, false);
	update_line(s);
	pthread_mutex_unlock(&s->dev.lock);
}

static void serial_writable(void *ctx)
{
	struct serial *s = ctx;

	pthread_mutex_lock(&s->dev.lock);
	drain_output(s);
	update_line(s);
	pthread_mutex_unlock(&s->dev.lock);
}

/* "Line Status Register", bit 4: one zero character is received with it. */
static void serial_broken(void *ctx)
{
	struct serial *s = ctx;

	pthread_mutex_lock(&s->dev.lock);
	if (!(s->mcr & MCR_LOOP)) {
		unsigned int slot = (s->rx.first + s->rx.count) % FIFO_SIZE;

		if (s->rx.count < fifo_depth(s))
			s->rx.breaks |= (uint16_t)(1u << slot);
		receive(s, 0);
		update_line(s);
	}
	pthread_mutex_unlock(&s->dev.lock);
}

static int serial_create(struct device *dev, const struct device_host *host, struct err *err)
{
	struct serial *s = (struct serial *)dev;

	(void)err;
	s->trigger = 1;
	update_modem_status(s);
	s->msr &= ~MSR_DELTAS;
	if (host->console && !host->console->ctx) { /* it belongs to the first port */
		s->chr = host->console;
		s->chr->readable = serial_readable;
		s->chr->writable = serial_writable;
		s->chr->broken = serial_broken;
		s->chr->ctx = s;
		s->input = true; /* some may have come before us */
	}
	return 0;
}

static void serial_destroy(struct device *dev)
{
	struct serial *s = (struct serial *)dev;

	if (!s->chr)
		return;
	drain_output(s);
	s->chr->readable = NULL;
	s->chr->writable = NULL;
	s->chr->broken = NULL;
	s->chr->ctx = NULL;
}

static const struct device_prop serial_props[] = {
	{ "clock-frequency", PROP_U32, 1843200, NULL },
	{ .name = NULL },
};

const struct device_class serial_class = {
	.name = "serial",
	.compatible = "ns16550a\0",
	.hid = "PNP0501",
	.props = serial_props,
	.size = sizeof(struct serial),
	.access_max = 1,
	.create = serial_create,
	.destroy = serial_destroy,
	.read = serial_read,
	.write = serial_write,
};
