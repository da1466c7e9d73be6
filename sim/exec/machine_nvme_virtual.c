/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_nvme_virtual.c - machine_nvme.h on the virtual executor: nvme_model.c's devices
 */
#include "sim/exec/machine_nvme.h"

#include "sim/exec/machine_oracle.h"
#include "sim/exec/machine_virtual.h"
#include "sim/nvme_model.h"
#include "sim/platform/model/platform.h"

struct machine_nvme {
	struct nvme_device device; /* must be first */
	struct machine *machine;
	struct machine_nvme *next;
	void (*irq)(struct nvme_queue *q);
};

struct machine_bridge {
	struct bridge bridge;
	uint32_t number;
	struct machine_bridge *next;
};

static struct bridge *bridge_of(struct machine *m, const struct machine_nvme_config *config)
{
	struct machine_bridge *b = m->bridges;

	while (b && b->number != config->bridge)
		b = b->next;
	if (b)
		return &b->bridge;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->number = config->bridge;
	b->bridge.mib_s = config->bridge_mib_s;
	b->next = m->bridges;
	m->bridges = b;
	return &b->bridge;
}

struct machine_nvme *machine_add_nvme(struct machine *m, const struct machine_nvme_config *config)
{
	struct bridge *bridge = bridge_of(m, config);
	struct machine_nvme *d = calloc(1, sizeof(*d));

	if (!bridge || !d) {
		free(d);
		return NULL;
	}
	d->machine = m;
	d->irq = config->irq;
	d->next = m->nvmes;
	m->nvmes = d;
	if (nvme_device_init(&d->device, &m->sim, config->package, bridge, m->units[config->unit], config->rid,
			     config->ats, &config->nvme, config->queue_count, config->max_pages, config->seed))
		return NULL;
	if (m->sim.oracle && machine_oracle_add_device(m->sim.oracle, &d->device.requester, config->bridge))
		return NULL;
	return d;
}

void machine_free_nvmes(struct machine *m)
{
	while (m->nvmes) {
		struct machine_nvme *d = m->nvmes;

		m->nvmes = d->next;
		nvme_device_destroy(&d->device);
		free(d);
	}
	while (m->bridges) {
		struct machine_bridge *b = m->bridges;

		m->bridges = b->next;
		free(b);
	}
}

struct mmio_device *machine_nvme_registers(struct machine_nvme *d)
{
	return &d->device.mmio;
}

static void irq_handler(struct irq *irq)
{
	struct machine_nvme *d = (struct machine_nvme *)nvme_device_of_irq(irq);

	cpu_spend(this_vcpu()->sim->params.irq_ps);
	d->irq(nvme_queue_of_irq(irq));
}

int machine_nvme_add_queue(struct machine_nvme *d, struct nvme_queue *q, uint32_t cpu)
{
	return nvme_device_add_queue(&d->device, q, &d->machine->sim.cpus[cpu], irq_handler);
}

uint64_t machine_nvme_faults(const struct machine_nvme *d)
{
	return d->device.requester.dma_faults;
}
