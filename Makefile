# SPDX-License-Identifier: BSD-2-Clause
#
# One Makefile for everything. `make help` lists the targets.
#
#   ARCH=x86_64|aarch64   what to build for (default: this machine); cross-builds aarch64
#   STATIC=1              a fully static program
#   ASAN=1                AddressSanitizer and UndefinedBehaviorSanitizer
#   TSAN=1                ThreadSanitizer
#   FUZZ=1                for the fuzz targets: clang, libFuzzer, both sanitizers
#   COVERAGE=1            counts which lines run, for gcov
#   CC=clang              another compiler
#   V=1                   show the commands

HOST_ARCH := $(shell uname -m)
ARCH ?= $(HOST_ARCH)
VERSION := 0.1.0

ifeq ($(ARCH),x86_64)
SUFFIX := x86
TRIPLET := x86_64-linux-gnu
else ifeq ($(ARCH),aarch64)
SUFFIX := arm64
TRIPLET := aarch64-linux-gnu
else
$(error ARCH=$(ARCH) is not supported; use ARCH=x86_64 or ARCH=aarch64)
endif

ifdef FUZZ
CC := clang
endif

SHARED_LIBS := -lfdt -luring -ljansson -llzma -lzstd
STATIC_LIBS := -l:libfdt.a -l:liburing.a -l:libjansson.a -l:liblzma.a -l:libzstd.a

# One directory per kind of build, so that none sees another's objects.
BUILD := build/$(ARCH)
VARIANT := $(if $(STATIC),-static)$(if $(ASAN),-asan)$(if $(TSAN),-tsan)$(if $(FUZZ),-fuzz)$(if $(COVERAGE),-coverage)$(if $(filter clang%,$(CC)),-clang)
OUT := $(BUILD)$(VARIANT)

OBJCOPY := objcopy
ifneq ($(ARCH),$(HOST_ARCH))
ifeq ($(origin CC),default)
CC := $(TRIPLET)-gcc
endif
OBJCOPY := $(TRIPLET)-objcopy
# Libraries of two architectures cannot all be installed side by side: unpacked ones serve as sysroot.
SYSROOT := build/sysroot/$(ARCH)
SYSROOT_CFLAGS := -isystem $(SYSROOT)/usr/include
SYSROOT_LDFLAGS := -L$(SYSROOT)/usr/lib/$(TRIPLET)
LIBS := $(STATIC_LIBS)
else
LIBS := $(if $(STATIC),$(STATIC_LIBS),$(SHARED_LIBS))
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu17 $(WARNINGS) $(if $(WERROR),-Werror) -I. -pthread -fno-common \
	-fstack-protector-strong $(SYSROOT_CFLAGS) $(CFLAGS)
ALL_CPPFLAGS := -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -D_FILE_OFFSET_BITS=64 -DVIREO_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_LDFLAGS := -pthread $(SYSROOT_LDFLAGS) $(LDFLAGS)

ifdef STATIC
ALL_LDFLAGS += -static
else
ALL_CFLAGS += -fPIE
ALL_LDFLAGS += -pie -Wl,-z,relro,-z,now
endif
ifdef ASAN
ALL_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ALL_CPPFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CPPFLAGS))
ALL_LDFLAGS += -fsanitize=address,undefined
endif
ifndef COVERAGE
ALL_CFLAGS += -ffile-prefix-map=$(CURDIR)=. # the same bytes wherever the tree lies
endif
ifdef COVERAGE
ALL_CFLAGS += --coverage -O0
ALL_CPPFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CPPFLAGS))
endif
ifdef TSAN
# It does not know fences, and says so; it would see a race where only a fence orders plain accesses.
ALL_CFLAGS += -fsanitize=thread -Wno-tsan
ALL_LDFLAGS += -fsanitize=thread
endif

ifdef FUZZ
ALL_CFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ALL_CPPFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CPPFLAGS))
ALL_LDFLAGS += -fsanitize=fuzzer,address,undefined
endif

# Architecture by file suffix: x_x86.c and x_arm64.c exist in pairs, all else is built for both.
OTHER_SUFFIX := $(filter-out $(SUFFIX),x86 arm64)
SOURCES := $(sort $(filter-out %_$(OTHER_SUFFIX).c,$(wildcard kvm/*.c devices/*.c devices/virtio/*.c boot/*.c fdt/*.c host/*.c vmm/*.c)) init/embed.c)
LIB_OBJECTS := $(patsubst %.c,$(OUT)/%.o,$(filter-out vmm/main.c,$(SOURCES)))

Q := $(if $(V),,@)

.PHONY: all
all: $(OUT)/vireo ## build the program

$(OUT)/vireo: $(OUT)/vmm/main.o $(OUT)/libvireo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/libvireo.a: $(LIB_OBJECTS)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcsDP $@ $^

$(OUT)/%.o: %.c $(OUT)/.flags
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# --- the init program for guests, which is built into ours: freestanding, always without sanitizers ---

INIT_FLAGS := -std=gnu17 $(WARNINGS) $(if $(WERROR),-Werror) -I. -Os -ffreestanding -fno-stack-protector -fno-common \
	-fno-pic -fno-pie -fcf-protection=none -fno-asynchronous-unwind-tables -mgeneral-regs-only
INIT_LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,-s
INIT_SOURCES := init/start_$(SUFFIX).S $(filter-out init/embed.c,$(wildcard init/*.c))
INIT_OBJECTS := $(patsubst init/%,$(OUT)/init/guest/%.o,$(basename $(INIT_SOURCES)))

$(INIT_OBJECTS): $(OUT)/.flags
$(OUT)/init/guest/%.o: init/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(INIT_FLAGS) -MMD -MP -c -o $@ $<
$(OUT)/init/guest/%.o: init/%.S
	@echo "  AS      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(INIT_FLAGS) -MMD -MP -c -o $@ $<
$(OUT)/init/init: $(INIT_OBJECTS)
	@echo "  LD      $@"
	$(Q)$(CC) $(INIT_LDFLAGS) -o $@ $^

$(OUT)/init/embed.o: ALL_CPPFLAGS += -DINIT_PROGRAM='"$(OUT)/init/init"'
$(OUT)/init/embed.o: $(OUT)/init/init

# Objects depend on the flags they were built with.
FLAGS_LINE := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)
$(OUT)/.flags: .FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(FLAGS_LINE))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS_LINE))' > $@
.PHONY: .FORCE
.FORCE:

-include $(wildcard $(OUT)/*/*.d $(OUT)/*/*/*.d)

# --- unit tests: one program per module, linked against everything ---

UNIT_SOURCES := $(filter-out %_$(OTHER_SUFFIX).c,$(wildcard tests/unit/test_*.c))
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(OUT)/%)

$(UNIT_TESTS): $(OUT)/%: $(OUT)/%.o $(OUT)/libvireo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

VALGRIND := valgrind --quiet --fair-sched=try --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=all --track-fds=yes
QEMU_USER := qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=build/sysroot/aarch64/usr/lib/aarch64-linux-gnu

.PHONY: test-unit test-unit-asan test-unit-valgrind test-unit-aarch64
test-unit: unit-tests ## unit tests
	$(Q)tests/unit/run native -- $(UNIT_TESTS)
test-unit-asan: ## unit tests under ASan and UBSan
	$(Q)$(MAKE) --no-print-directory ASAN=1 unit-tests
	$(Q)tests/unit/run "ASan and UBSan" -- $(UNIT_TESTS:$(OUT)/%=$(BUILD)-asan/%)
test-unit-valgrind: unit-tests ## unit tests under valgrind
	$(Q)tests/unit/run valgrind $(VALGRIND) -- $(UNIT_TESTS)
test-unit-aarch64: ## unit tests for aarch64 under qemu-user
	$(Q)$(MAKE) --no-print-directory ARCH=aarch64 unit-tests
	$(Q)tests/unit/run "aarch64 under qemu-user" $(QEMU_USER) -- \
		$(patsubst %.c,build/aarch64/%,$(filter-out %_x86.c,$(wildcard tests/unit/test_*.c)))

.PHONY: coverage
coverage: ## how much of the interrupt controllers the unit tests run through
	$(Q)$(MAKE) --no-print-directory COVERAGE=1 unit-tests
	$(Q)tests/unit/coverage $(BUILD)-coverage

# --- tiny guests: freestanding programs that run instead of a kernel (tests/guest) ---


GUEST_FLAGS_x86 := -m64 -mno-red-zone
GUEST_FLAGS_arm64 := -mstrict-align
GUEST_FLAGS := -std=gnu17 $(WARNINGS) -O2 -g -ffreestanding -fno-stack-protector -fno-common -fno-pic -fno-pie \
	-fcf-protection=none -fno-asynchronous-unwind-tables -mgeneral-regs-only $(GUEST_FLAGS_$(SUFFIX)) \
	-Itests/guest -Itests/guest/$(SUFFIX)
GUEST_LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack

GUEST_OUT := $(OUT)/tests/guest
GUEST_SRC := tests/guest/$(SUFFIX)
GUEST_LIB := $(addprefix $(GUEST_OUT)/obj/,start.o guest.o check.o $(if $(filter arm64,$(SUFFIX)),lpi.o))
GUEST_NAMES := $(filter-out check guest lpi,$(basename $(notdir $(wildcard tests/guest/*.c $(GUEST_SRC)/*.c))))

ifeq ($(SUFFIX),x86)
GUESTS := $(GUEST_NAMES:%=$(GUEST_OUT)/%.elf) \
	$(addprefix $(GUEST_OUT)/,boot-long.elf boot.bzimage boot-multiboot.elf testdev-multiboot.elf)
else
GUESTS := $(GUEST_NAMES:%=$(GUEST_OUT)/%.image) $(GUEST_OUT)/boot.flat
endif

.PHONY: guests
guests: $(GUESTS) $(OUT)/tests/trace-check $(OUT)/tests/notified

# What looks at the traces that --trace writes, and the manager that is notified; built like the program, for they
# run beside it.
$(OUT)/tests/trace-check: tests/json.h
$(OUT)/tests/trace-check $(OUT)/tests/notified: $(OUT)/tests/%: tests/%.c $(OUT)/.flags
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

define compile_guest
@echo "  CC      $@"
@mkdir -p $(@D)
$(Q)$(CC) $(GUEST_FLAGS) -MMD -MP -c -o $@ $<
endef

$(GUEST_OUT)/obj/%.o: tests/guest/%.c $(OUT)/.flags
	$(compile_guest)
$(GUEST_OUT)/obj/%.o: $(GUEST_SRC)/%.c $(OUT)/.flags
	$(compile_guest)
$(GUEST_OUT)/obj/%.o: $(GUEST_SRC)/%.S $(OUT)/.flags
	$(compile_guest)

comma := ,
define link_guest
@echo "  LD      $@"
$(Q)$(CC) $(GUEST_LDFLAGS) -T $(filter %.lds,$^) -o $@$(1) $(filter %.o,$^)
endef

# x86-64: an ELF image with a PVH note, one without, a Multiboot kernel in ELF for 32 bits, and a bzImage.
$(GUEST_OUT)/%.elf: $(GUEST_OUT)/obj/%.o $(GUEST_OUT)/obj/pvh.o $(GUEST_LIB) $(GUEST_SRC)/elf.lds
	$(call link_guest)
$(GUEST_OUT)/%-long.elf: $(GUEST_OUT)/obj/%.o $(GUEST_LIB) $(GUEST_SRC)/elf.lds
	$(call link_guest)
$(GUEST_OUT)/%-multiboot.elf: $(GUEST_OUT)/obj/%.o $(GUEST_OUT)/obj/multiboot.o $(GUEST_LIB) $(GUEST_SRC)/elf.lds
	$(call link_guest,64 -Wl$(comma)-e$(comma)entry_multiboot)
	$(Q)$(OBJCOPY) -O elf32-i386 $@64 $@
$(GUEST_OUT)/%.bzimage: $(GUEST_OUT)/obj/%.o $(GUEST_OUT)/obj/bzimage.o $(GUEST_LIB) $(GUEST_SRC)/bzimage.lds
	$(call link_guest,.elf)
	$(Q)$(OBJCOPY) -O binary $@.elf $@

# aarch64: a raw Image, and the same without a header.
$(GUEST_OUT)/%.image: $(GUEST_OUT)/obj/%.o $(GUEST_LIB) $(GUEST_SRC)/image.lds
	$(call link_guest,.elf)
	$(Q)$(OBJCOPY) -O binary $@.elf $@

$(GUEST_OUT)/%.flat: $(GUEST_OUT)/obj/flat.o $(GUEST_OUT)/obj/%.o $(GUEST_LIB) $(GUEST_SRC)/image.lds
	$(call link_guest,.elf)
	$(Q)$(OBJCOPY) -O binary $@.elf $@

.SECONDARY:
-include $(wildcard $(GUEST_OUT)/obj/*.d)

# A VM that goes on in another process: run by tests/guest/run.
ifeq ($(SUFFIX),arm64)
guests: $(OUT)/tests/restore/restore
$(OUT)/tests/restore/restore: $(OUT)/tests/restore/restore.o $(OUT)/libvireo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
endif

# On this machine's /dev/kvm if there is one, and on the emulated hosts.
.PHONY: test-guest
test-guest: $(OUT)/vireo guests ## tiny guests on /dev/kvm and on the emulated hosts
	$(Q)$(MAKE) --no-print-directory STATIC=1 all guests
	$(Q)$(MAKE) --no-print-directory STATIC=1 ARCH=aarch64 all guests
	$(Q)tests/guest/all $(OUT)/vireo

# --- what the command line answers to mistakes ---

OTHER_ARCH := $(if $(filter x86_64,$(ARCH)),aarch64,x86_64)
MALFORMED := $(OUT)/tests/cli/malformed

$(MALFORMED): $(OUT)/tests/cli/malformed.o $(OUT)/libvireo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: test-cli
test-cli: $(OUT)/vireo $(MALFORMED) ## what the command line answers to mistakes
	$(Q)tests/boot/fetch cloud $(ARCH)
	$(Q)tests/boot/fetch busybox $(ARCH)
	$(Q)tests/boot/initrd guest $(ARCH)
	$(Q)tests/cli/run $(OUT)/vireo build/kernels/$(ARCH)/cloud/vmlinuz build/kernels/$(ARCH)/guest.cpio
	$(if $(ASAN),,$(Q)tests/cli/definitions $(OUT)/vireo $(MALFORMED))
	$(if $(ASAN),,$(Q)tests/docs/examples $(OUT)/vireo $(wildcard build/$(OTHER_ARCH)-static/vireo))

# --- what is made of the program besides itself ---

.PHONY: test-packaging
test-packaging: $(OUT)/vireo pages ## manual pages, completions, installation, Debian packages
	$(Q)tests/packaging/run $(OUT)

.PHONY: test-terminal
test-terminal: $(OUT)/vireo guests ## keys, signals and colours on a terminal
	$(Q)tests/terminal/run $(OUT)/vireo

# --- what configs/ has for service managers and CI ---

.PHONY: test-services
test-services: $(OUT)/vireo guests ## what configs/ has for systemd and CI
	$(Q)tests/services/run $(OUT)/vireo $(firstword $(wildcard $(GUEST_OUT)/end.elf $(GUEST_OUT)/end.image))

# The program itself under ASan and UBSan: failing paths and tiny guests.
.PHONY: test-asan
test-asan: ## the program under ASan and UBSan
	$(Q)$(MAKE) --no-print-directory ASAN=1 all guests
	$(Q)$(MAKE) --no-print-directory ASAN=1 test-cli
	$(Q)tests/guest/run $(BUILD)-asan/vireo 'end*' 'hammer*' 'lapic*' 'smp*' 'input*' 'trace*' 'smoke*'

# --- races: several vCPUs under ThreadSanitizer, with and without KVM ---

TSAN_TESTS := $(addprefix $(BUILD)-tsan/tests/unit/,test_apic_threads test_gicv2_state test_gicv2m \
	test_net_threads test_virtio_mmio_threads test_virtqueue_threads)

.PHONY: test-tsan
test-tsan: ## races: several vCPUs under ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory TSAN=1 all guests $(TSAN_TESTS)
	$(Q)tests/unit/run TSan -- $(TSAN_TESTS)
	$(Q)tests/guest/run $(BUILD)-tsan/vireo 'smp*' 'hammer*' 'hlt*' 'ioapic*' 'psci*' 'gic*' 'smoke-login' 'smoke-flood' 'smoke-matrix'

# --- fuzzing: random operations on the models, what must hold after each (tests/fuzz) ---

FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS := $(FUZZ_SOURCES:%.c=build/$(ARCH)-fuzz-clang/%)

build/$(ARCH)-fuzz-clang/tests/fuzz/%: $(OUT)/tests/fuzz/%.o $(OUT)/libvireo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: fuzzers fuzz test-fuzz
fuzzers: $(FUZZERS)
fuzz: ## fuzz one model: TARGET=lapic SECONDS=60
	$(Q)$(MAKE) --no-print-directory FUZZ=1 fuzzers
	$(Q)tests/fuzz/run -t $(or $(SECONDS),60) $(BUILD)-fuzz-clang/tests/fuzz/fuzz_$(or $(TARGET),lapic)
test-fuzz: ## every fuzz target: the same so many inputs in each run
	$(Q)$(MAKE) --no-print-directory FUZZ=1 fuzzers
	$(Q)tests/fuzz/run $(FUZZERS)

# --- benchmarks: numbers and ratios, never a verdict ---

.PHONY: bench
bench: $(OUT)/vireo $(if $(filter x86,$(SUFFIX)),guests) ## measure start-up and memory; interrupts, disk and network on x86-64
	$(Q)$(MAKE) --no-print-directory STATIC=1
	$(Q)mkdir -p $(OUT)/tests/bench
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -o $(OUT)/tests/bench/start tests/bench/start.c
	$(Q)tests/bench/run $(OUT)/tests/bench/start $(OUT)/vireo $(BUILD)-static/vireo
	$(if $(filter x86,$(SUFFIX)),$(Q)tests/bench/irq $(OUT)/vireo)
	$(Q)tests/bench/virtio

# --- manual pages and completions, from the tables of the program (docs/generate) ---

# The generator runs here, whatever ARCH is: the pages tell of both, completions are for ARCH.
HOST_OUT := build/$(HOST_ARCH)$(VARIANT)
GENERATE := $(OUT)/docs/generate/generate
SHARE := $(OUT)/share
PLATFORM := $(if $(filter aarch64,$(ARCH)),aarch64,x86-64)
MANUALS := $(SHARE)/vireo.1 $(SHARE)/vireo.conf.5
COMPLETIONS := $(SHARE)/vireo.bash $(SHARE)/vireo.zsh $(SHARE)/vireo.fish

# Of the day of the release, for the same source to give the same bytes.
RELEASE_DATE = $(shell sed -n 's/^ -- .*, \([0-9]* [A-Z].*\) .* .*$$/\1/p' packaging/debian/changelog | head -n 1 | xargs -I{} date -u -d {} +%Y-%m-%d)

$(GENERATE): $(patsubst %.c,$(OUT)/%.o,$(wildcard docs/generate/*.c)) $(OUT)/libvireo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: pages
ifeq ($(ARCH),$(HOST_ARCH))
HOST_GENERATE := $(GENERATE)
else
HOST_GENERATE := build/$(HOST_ARCH)/docs/generate/generate
$(HOST_GENERATE): .FORCE
	$(Q)$(MAKE) --no-print-directory ARCH=$(HOST_ARCH) STATIC= ASAN= TSAN= FUZZ= COVERAGE= CC=gcc OUT=build/$(HOST_ARCH) LIBS="$(SHARED_LIBS)" $@
endif
pages: $(MANUALS) $(COMPLETIONS) ## manual pages and completions
$(SHARE)/%: docs/%.in $(HOST_GENERATE)
	@echo "  GEN     $@"
	@mkdir -p $(@D)
	$(Q)$(HOST_GENERATE) man $< $(RELEASE_DATE) >$@.new && mv $@.new $@
$(SHARE)/vireo.%sh: $(HOST_GENERATE)
	@echo "  GEN     $@"
	@mkdir -p $(@D)
	$(Q)$(HOST_GENERATE) $*sh $(PLATFORM) >$@.new && mv $@.new $@

# --- what of the documentation is printed from the code ---

REGISTERS := $(OUT)/tests/docs/registers

$(REGISTERS): $(OUT)/tests/docs/registers.o $(OUT)/libvireo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: docs
docs: $(REGISTERS) ## rewrite the tables of the documentation that come from the code
	$(Q)$(REGISTERS) >$(REGISTERS).md
	$(Q)tests/docs/fill docs/interrupts.md registers <$(REGISTERS).md >$(OUT)/interrupts.md
	$(Q)cat $(OUT)/interrupts.md >docs/interrupts.md

# --- style, the rules of the house, and both compilers without a warning ---

.PHONY: lint builds
lint: $(REGISTERS) ## check style and the rules of the house
	$(Q)tests/lint $(REGISTERS)
builds: ## build with every compiler, warnings are errors
	$(Q)$(MAKE) --no-print-directory WERROR=1 CC=gcc all unit-tests
	$(Q)$(MAKE) --no-print-directory WERROR=1 CC=clang all unit-tests
	$(Q)$(MAKE) --no-print-directory WERROR=1 ARCH=x86_64 STATIC=1
	$(Q)$(MAKE) --no-print-directory WERROR=1 ARCH=aarch64
	$(Q)$(MAKE) --no-print-directory WERROR=1 ARCH=aarch64 STATIC=1

# --- everything ---

.PHONY: test
test: deps ## everything
	$(Q)tests/run

# --- installation ---

PREFIX ?= /usr/local

.PHONY: install uninstall
install: $(OUT)/vireo pages ## install under PREFIX, below DESTDIR
	$(Q)PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) packaging/install install $(OUT)
uninstall: ## remove what install has put there
	$(Q)PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) packaging/install uninstall $(OUT)

.PHONY: deb
deb: ## build/deb/*.deb: Debian packages for amd64 and arm64
	$(Q)packaging/deb x86_64 aarch64

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1 \2/p' Makefile | while read -r target text; do \
		printf '  make %-20s %s\n' "$$target" "$$text"; done

.PHONY: clean
clean: ## remove what was built, but not what was downloaded
	rm -rf build/x86_64* build/aarch64*

# --- what is installed and fetched, kernels, boot tests, demo (docs/testing.md) ---

.PHONY: deps
deps: ## install what is needed to build and test (Debian 12)
	@tests/boot/deps test

# The emulated hosts are aarch64 ones and, where this machine is x86-64, also one of that.
BOOT_ARCHS := $(sort $(HOST_ARCH) aarch64)

.PHONY: kernels
kernels: ## fetch and make the kernels that the boot tests boot
	@tests/boot/fetch cloud $(BOOT_ARCHS)
	@tests/boot/fetch generic $(BOOT_ARCHS)
	@tests/boot/fetch busybox $(BOOT_ARCHS)
	@tests/boot/fetch roots $(BOOT_ARCHS)
	@for arch in $(BOOT_ARCHS); do tests/boot/images $$arch && tests/boot/disk $$arch || exit; done
	@$(if $(filter x86_64,$(HOST_ARCH)),tests/kernel-of/build)

# The programs that run on the emulated hosts.
BOOT_PROGRAMS := $(BOOT_ARCHS:%=static-%)
.PHONY: $(BOOT_PROGRAMS)
$(BOOT_PROGRAMS): static-%:
	@$(MAKE) --no-print-directory STATIC=1 ASAN= TSAN= ARCH=$*

.PHONY: test-boot
test-boot: kernels $(BOOT_PROGRAMS) ## boot stock kernels on KVM hosts, real or emulated
	@tests/boot/run

.PHONY: demo
demo: ## boot Debian's cloud kernel: to a shell on a terminal, else to a greeting
	@tests/boot/deps build guest
	@$(MAKE) --no-print-directory STATIC=1 ASAN= TSAN= ARCH=$(HOST_ARCH)
	@tests/boot/demo || [ $$? = 130 ] # leaving with Ctrl-A x is no failure
