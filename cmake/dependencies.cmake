# SPDX-License-Identifier: GPL-2.0-only
#
# dependencies.cmake - libraries as imported targets, with the Debian package's name when one is missing

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# simbench_pkg(<target> <pkg-config module> <Debian package>)
function(simbench_pkg target module package)
	pkg_check_modules(${target} QUIET IMPORTED_TARGET GLOBAL ${module})
	if(NOT ${target}_FOUND)
		message(FATAL_ERROR "${module} is missing: apt-get install ${package}")
	endif()
	add_library(dep::${target} ALIAS PkgConfig::${target})
endfunction()

# simbench_header(<target> <header> <Debian package>): used for its header alone
function(simbench_header target header package)
	find_path(${target}_INCLUDE_DIR ${header})
	if(NOT ${target}_INCLUDE_DIR)
		message(FATAL_ERROR "${header} is missing: apt-get install ${package}")
	endif()
endfunction()

# simbench_library(<target> <library> <Debian package>): has no pkg-config file
function(simbench_library target library package)
	find_library(${target}_LIBRARY ${library})
	if(NOT ${target}_LIBRARY)
		message(FATAL_ERROR "lib${library} is missing: apt-get install ${package}")
	endif()
	add_library(dep::${target} UNKNOWN IMPORTED GLOBAL)
	set_target_properties(dep::${target} PROPERTIES IMPORTED_LOCATION ${${target}_LIBRARY})
endfunction()

simbench_pkg(jemalloc jemalloc libjemalloc-dev)
simbench_pkg(hwloc hwloc libhwloc-dev)
simbench_pkg(inih inih libinih-dev)
simbench_pkg(jansson jansson libjansson-dev)
simbench_library(boost_context boost_context libboost-context-dev)
simbench_pkg(urcu liburcu-qsbr liburcu-dev)
simbench_pkg(benchmark benchmark libbenchmark-dev)
simbench_header(bsd bsd/sys/tree.h libbsd-dev)
simbench_header(ck ck_spinlock.h libck-dev)
if(BUILD_TESTING)
	simbench_pkg(cmocka cmocka libcmocka-dev)
endif()
