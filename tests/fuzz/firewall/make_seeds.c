// SPDX-License-Identifier: Apache-2.0

// Writes the section of the C tests into a new directory, as the fuzzer's seed: make_seeds
// DIRECTORY.

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "section_builder.h"

int main(int argc, char **argv)
{
	struct section_builder builder;
	char path[4096];
	FILE *file;
	size_t written;

	if (argc != 2 || (mkdir(argv[1], 0777) != 0 && errno != EEXIST))
		return 1;
	section_build(&builder);
	snprintf(path, sizeof(path), "%s/good", argv[1]);
	file = fopen(path, "wb");
	if (!file)
		return 1;
	written = fwrite(builder.bytes, 1, builder.size, file);
	return fclose(file) != 0 || written != builder.size;
}
