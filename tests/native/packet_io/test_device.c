// SPDX-License-Identifier: Apache-2.0

#include <stellar/packet_io.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char error[256];

static void test_open_refuses_with_the_code_and_one_line(void **state)
{
	static const struct {
		const char *uri;
		int result;
		const char *message;
	} cases[] = {
		{"dpdk:0000:01:00.0", -ENOSYS, "DPDK devices are not in this version"},
		{"netmap:eth0", -EINVAL, "netmap:eth0: unknown kind \"netmap\"; known: pcap"},
		{"eth0", -EINVAL, "eth0: expected KIND:NAME"},
		{"memory:a?size=1", -EINVAL,
		 "memory:a: unknown option \"size\"; known: frames live"},
		{"memory:a?frames=0", -EINVAL, "expected a number from 1 to 65536, found \"0\""},
		{"memory:a?live=maybe", -EINVAL, "memory:a: live: expected 0 or 1"},
		{"xdp:nosuchif0", -ENODEV, "xdp:nosuchif0: no such interface"},
		{"xdp:a_name_of_more_than_15", -ENODEV, "no such interface"},
		{"xdp:lo?queue=256", -EINVAL, "queue: expected a number from 0 to 255"},
		{"xdp:lo?mode=fast", -EINVAL, "expected auto, native or generic, found \"fast\""},
		{"xdp:lo?fail=maybe", -EINVAL, "expected closed or open, found \"maybe\""},
		{"xdp:lo?fail=open", -EINVAL, "expected fail=open and peer=IF together"},
		{"xdp:lo?peer=lo", -EINVAL, "expected fail=open and peer=IF together"},
		{"xdp:lo?fail=open&peer=nosuchif0", -ENODEV, "xdp:nosuchif0: no such interface"},
		{"xdp:lo?promisc=1", -EINVAL, "xdp:lo: unknown option \"promisc\"; known: queue"},
		{"capture:nosuchif0", -ENODEV, "capture:nosuchif0: no such interface"},
		{"capture:lo?direction=out", -EINVAL, "expected in or both, found \"out\""},
		{"capture:lo?promiscuous=2", -EINVAL, "expected 0 or 1, found \"2\""},
		{"pcap:a?write=yes", -EINVAL, "pcap:a: write: expected 0 or 1, found \"yes\""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet_io_device *device = NULL;

		assert_int_equal(packet_io_device_open(cases[i].uri, &device, error, sizeof(error)),
				 cases[i].result);

		assert_null(device);
		assert_non_null(strstr(error, cases[i].message));
		assert_null(strchr(error, '\n'));
	}
}

static void test_close_accepts_null(void **state)
{
	packet_io_device_close(NULL);
}

static void test_detach_refuses_what_is_no_interface(void **state)
{
	assert_int_equal(packet_io_xdp_detach("nosuchif0", error, sizeof(error)), -ENODEV);
	assert_string_equal(error, "xdp:nosuchif0: no such interface");
	assert_int_equal(packet_io_xdp_detach("xdp:lo?pinn=/x", error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "unknown option \"pinn\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_refuses_with_the_code_and_one_line),
		cmocka_unit_test(test_detach_refuses_what_is_no_interface),
		cmocka_unit_test(test_close_accepts_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
