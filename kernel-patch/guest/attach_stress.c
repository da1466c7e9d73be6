// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach_stress - devices come to and leave a page table while it is mapped and unmapped, with VFIO and iommufd
 *
 * attach_stress stress SECONDS DEVICE...
 *	A thread for each device attaches it to one IOAS and detaches it; two more map and unmap pages there.
 * attach_stress refuse PARAMETER DEVICE DEVICE
 *	A page table is made for the first device, then the file PARAMETER gets a 1, from when on every IOMMU needs
 *its write buffer flushed, and the second device is attached to the same page table. Prints what that gave, whether
 *	the device still attaches to one of its own, and to the first again once the parameter is 0.
 *
 * DEVICE is a file in /dev/vfio/devices. Prints "KEY VALUE" lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#define MAX_DEVICES 8
#define MAPPERS 2
#define PAGE 4096UL
#define PAGES 64UL

static int iommufd;
static uint32_t ioas;
static atomic_bool stop;
static atomic_ulong attaches, refusals, maps;

static void die(const char *what)
{
	printf("error %s: %s\n", what, strerror(errno));
	exit(1);
}

struct vfio_device {
	int fd;
	uint32_t id;
};

static void device_open(struct vfio_device *device, const char *path)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };

	device->fd = open(path, O_RDWR);
	if (device->fd < 0 || ioctl(device->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die(path);
	device->id = bind.out_devid;
}

/* To an IOAS, for which iommufd finds or makes a page table, or to a page table. 0 or an errno. */
static int device_attach(struct vfio_device *device, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = pt };

	return ioctl(device->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? errno : 0;
}

static void device_detach(struct vfio_device *device)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	if (ioctl(device->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach))
		die("detach");
}

static void *attacher(void *arg)
{
	struct vfio_device *device = arg;

	while (!atomic_load(&stop)) {
		if (device_attach(device, ioas)) {
			atomic_fetch_add(&refusals, 1);
			continue;
		}
		atomic_fetch_add(&attaches, 1);
		device_detach(device);
	}
	return NULL;
}

static void *mapper(void *arg)
{
	uint64_t base = ((uint64_t)(uintptr_t)arg + 1) << 32;
	void *memory =
		mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	while (!atomic_load(&stop)) {
		for (uint64_t n = 0; n < PAGES; n++) {
			struct iommu_ioas_map map = {
				.size = sizeof(map),
				.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					 IOMMU_IOAS_MAP_WRITEABLE,
				.ioas_id = ioas,
				.user_va = (uintptr_t)memory + n * PAGE,
				.length = PAGE,
				.iova = base + n * PAGE,
			};
			if (ioctl(iommufd, IOMMU_IOAS_MAP, &map))
				die("map");
		}
		struct iommu_ioas_unmap unmap = {
			.size = sizeof(unmap), .ioas_id = ioas, .iova = base, .length = PAGES * PAGE
		};
		if (ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap))
			die("unmap");
		atomic_fetch_add(&maps, PAGES);
	}
	return NULL;
}

static void ioas_alloc(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	iommufd = open("/dev/iommu", O_RDWR);
	if (iommufd < 0 || ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		die("/dev/iommu");
	ioas = alloc.out_ioas_id;
}

static void stress(unsigned int seconds, char **paths, int count)
{
	struct vfio_device devices[MAX_DEVICES];
	pthread_t threads[MAX_DEVICES + MAPPERS];
	int n = 0;

	ioas_alloc();
	for (int i = 0; i < count; i++)
		device_open(&devices[i], paths[i]);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[n++], NULL, attacher, &devices[i]))
			die("thread");
	for (uintptr_t i = 0; i < MAPPERS; i++)
		if (pthread_create(&threads[n++], NULL, mapper, (void *)i))
			die("thread");
	sleep(seconds);
	atomic_store(&stop, true);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	printf("attaches %lu\nrefused %lu\nmaps %lu\n", attaches, refusals, maps);
}

static void set(const char *parameter, const char *value)
{
	int fd = open(parameter, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(parameter);
	close(fd);
}

static void refuse(const char *parameter, const char *first, const char *second)
{
	struct vfio_device a, b;

	ioas_alloc();
	device_open(&a, first);
	device_open(&b, second);
	struct iommu_hwpt_alloc alloc = { .size = sizeof(alloc), .dev_id = a.id, .pt_id = ioas };
	if (ioctl(iommufd, IOMMU_HWPT_ALLOC, &alloc))
		die("page table");
	errno = device_attach(&a, alloc.out_hwpt_id);
	if (errno)
		die("attach of the first");
	set(parameter, "1");
	printf("mismatch %d\n", device_attach(&b, alloc.out_hwpt_id));
	/* Where it was attached, if it was, makes no difference: attach again replaces. */
	printf("own %d\n", device_attach(&b, ioas));
	device_detach(&b);
	set(parameter, "0");
	printf("match %d\n", device_attach(&b, alloc.out_hwpt_id));
	device_detach(&b);
	device_detach(&a);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 4 && argc - 3 <= MAX_DEVICES && !strcmp(argv[1], "stress"))
		stress((unsigned int)atoi(argv[2]), argv + 3, argc - 3);
	else if (argc == 5 && !strcmp(argv[1], "refuse"))
		refuse(argv[2], argv[3], argv[4]);
	else
		return 2;
	return 0;
}
