# REEL_ADD_CFLAGS(VARIABLE, FLAGS...)
# Appends to VARIABLE each of the FLAGS that the compiler accepts without a warning.
AC_DEFUN([REEL_ADD_CFLAGS], [
m4_foreach_w([reel_flag], [$2], [
    AS_VAR_PUSHDEF([reel_cache], [reel_cv_cflag_[]reel_flag])
    AC_CACHE_CHECK([whether $CC accepts reel_flag], [reel_cache], [
        reel_saved_cflags=$CFLAGS
        CFLAGS="$CFLAGS -Werror reel_flag"
        AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
            [AS_VAR_SET([reel_cache], [yes])], [AS_VAR_SET([reel_cache], [no])])
        CFLAGS=$reel_saved_cflags
    ])
    AS_VAR_IF([reel_cache], [yes], [$1="$$1 reel_flag"])
    AS_VAR_POPDEF([reel_cache])
])
])

# REEL_MISSING(WHAT, DEBIAN-PACKAGE)
# Stops with the one message that a missing dependency deserves.
AC_DEFUN([REEL_MISSING], [
    AC_MSG_ERROR([$1 not found. On Debian or Ubuntu: apt-get install $2])
])

# REEL_CHECK_BLIS
# Sets BLIS_CPPFLAGS and BLIS_LIBS. BLIS 0.9 comes without a .pc file and distributions disagree about
# the header's folder, so the places are tried in turn, by linking.
AC_DEFUN([REEL_CHECK_BLIS], [
AC_ARG_WITH([blis],
    [AS_HELP_STRING([--with-blis=DIR], [where BLIS is installed, if not in the usual places])],
    [], [with_blis=])
AS_CASE([$with_blis],
    [yes], [with_blis=],
    [no], [AC_MSG_ERROR([Reel cannot be built without BLIS])])
BLIS_LIBS="-lblis"
AS_IF([test -n "$with_blis"], [
    AS_IF([test -d "$with_blis"], [], [AC_MSG_ERROR([--with-blis=$with_blis: no such directory])])
    BLIS_LIBS="-L$with_blis/lib -lblis"
    reel_blis_places="$with_blis/include $with_blis/include/blis"
], [
    reel_blis_places="default /usr/include/blis /usr/local/include/blis"
])
AC_MSG_CHECKING([for BLIS])
reel_blis=no
reel_saved_cppflags=$CPPFLAGS
reel_saved_libs=$LIBS
LIBS="$BLIS_LIBS $LIBS"
for reel_place in $reel_blis_places; do
    BLIS_CPPFLAGS=
    AS_IF([test "$reel_place" != default], [BLIS_CPPFLAGS="-isystem $reel_place"])
    CPPFLAGS="$reel_saved_cppflags $BLIS_CPPFLAGS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <blis.h>]], [[
        rntm_t one = BLIS_RNTM_INITIALIZER;
        float x = 1;
        bli_rntm_set_ways(1, 1, 1, 1, 1, &one);
        bli_rntm_disable_l3_sup(&one);
        bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, 1, 1, 1, &x, &x, 1, 1, &x, 1, 1, &x, &x,
                     1, 1, NULL, &one);
        return bli_info_get_version_str()[0] == 0 || bli_arch_string(bli_arch_query_id())[0] == 0;
        ]])], [reel_blis=yes; break])
done
CPPFLAGS=$reel_saved_cppflags
LIBS=$reel_saved_libs
AC_MSG_RESULT([$reel_blis])
AS_IF([test "$reel_blis" = no], [REEL_MISSING([BLIS (blis.h and libblis, 0.9 or newer)], [libblis-dev])])
AC_SUBST([BLIS_CPPFLAGS])
AC_SUBST([BLIS_LIBS])
])

# REEL_CHECK_OPENMP
# Sets OPENMP_CFLAGS. clang's OpenMP would bring libomp into a process where BLIS already runs on
# libgomp, so with clang the regions are handed to libgomp directly, by its entry point.
AC_DEFUN([REEL_CHECK_OPENMP], [
AC_MSG_CHECKING([whether the compiler is clang])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [[
#ifndef __clang__
#error not clang
#endif
    ]])], [reel_clang=yes], [reel_clang=no])
AC_MSG_RESULT([$reel_clang])
OPENMP_CFLAGS=
AS_IF([test "$reel_clang" = yes], [
    AC_SEARCH_LIBS([GOMP_parallel], [gomp],
        [AC_DEFINE([REEL_HAVE_LIBGOMP], [1], [whether regions go to libgomp without -fopenmp])],
        [AC_MSG_WARN([libgomp not found: Reel will run on one thread])])
], [
    AC_OPENMP
    AS_CASE([$ac_cv_prog_c_openmp],
        [unsupported], [AC_MSG_WARN([the compiler has no OpenMP: Reel will run on one thread])])
])
AC_SUBST([OPENMP_CFLAGS])
])

# REEL_CHECK_MVEC
# Defines REEL_MVEC: how much of libmvec, glibc's vector functions, there is. 2: as of 2.35; 1: as of 2.22;
# 0: none, as on other processors and C libraries.
AC_DEFUN([REEL_CHECK_MVEC], [
reel_mvec=0
reel_saved_libs=$LIBS
AC_SEARCH_LIBS([_ZGVeN16v_expf], [mvec], [reel_mvec=1
    AC_CHECK_FUNC([_ZGVeN16v_tanhf], [reel_mvec=2])], [LIBS=$reel_saved_libs])
AC_DEFINE_UNQUOTED([REEL_MVEC], [$reel_mvec], [how much of libmvec there is: 0, 1 or 2])
])
