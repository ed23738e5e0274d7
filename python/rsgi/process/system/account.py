"""The user that the server changes to after it has used the privileges of root.

This file handles accounts of the system. It serves nothing.

Spec: setuid(2), setgid(2), initgroups(3).
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass

from rsgi.errors import StartupError


@dataclass(frozen=True)
class Account:
    """A user, a group, or both.

    Attributes:
        shown: How it is called, for people.
        user: The number of the user; `None` stays who it is.
        group: The number of the group.
        name: The name of the user, if it has one.
        home: The user's folder, if it has one.
    """

    shown: str
    user: int | None
    group: int
    name: str | None
    home: str | None

    def give(self, path: str) -> None:
        """Make the file at `path` the account's.

        Raises:
            StartupError: when that is not allowed.
        """
        if self._is_this():
            return
        try:
            os.chown(path, -1 if self.user is None else self.user, self.group, follow_symlinks=False)
        except OSError as error:
            raise self._refused(f"cannot make {self.shown} the owner of `{path}`: {error.strerror}") from error

    def make(self, path: str) -> None:
        """Make the file at `path`, if it is not there, and give it to the account. What is no file stays as it is."""
        if self._is_this():
            return
        with contextlib.suppress(OSError):  # whoever writes to it says what is wrong
            if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
                return
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                os.fchown(descriptor, -1 if self.user is None else self.user, self.group)
            finally:
                os.close(descriptor)

    def become(self) -> None:
        """Run as the account from now on, with the user's other groups; there is no way back.

        Raises:
            StartupError: when that is not allowed.
        """
        if self._is_this():
            return
        try:
            if self.name is None:
                os.setgroups([self.group])
            else:
                os.initgroups(self.name, self.group)
            os.setgid(self.group)
            if self.user is not None:
                os.setuid(self.user)
        except OSError as error:
            raise self._refused(f"the server cannot become {self.shown}: {error.strerror}") from error
        if self.name is not None and self.home is not None:
            os.environ.update(HOME=self.home, USER=self.name, LOGNAME=self.name)

    def _is_this(self) -> bool:
        """Whether it is who this process is already."""
        users, groups = {os.getuid(), os.geteuid()}, {os.getgid(), os.getegid()}
        return (self.user is None or users == {self.user}) and groups == {self.group}

    def check(self) -> None:
        """See that this process may become it.

        Raises:
            StartupError: when it may not.
        """
        if os.geteuid() != 0 and not self._is_this():
            raise self._refused(f"the server cannot become {self.shown}: only root can change the user")

    def _refused(self, message: str) -> StartupError:
        return StartupError(message, "start it as root, or start it as that user without `--user` and `--group`")


def account_of(user: str | None, group: str | None) -> Account | None:
    """The account of these names or numbers; `None` without any.

    Raises:
        StartupError: when there is no such user or group, or this process may not become it.
    """
    if user is None and group is None:
        return None
    if not hasattr(os, "initgroups"):
        raise StartupError("this system does not support `--user` and `--group`", "leave them out")
    number = None if group is None else _group_number(group)
    account = Account(f"of the group `{group}`", None, number or 0, None, None) if user is None else _of(user, number)
    account.check()
    return account


def _of(user: str, group: int | None) -> Account:
    import pwd

    try:
        found = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        if not user.isdigit():
            raise StartupError(f"there is no user `{user}`", "see `getent passwd`, or use a number") from None
        if group is None:
            raise StartupError(f"the user {user} has no known group", "also set `--group`") from None
        return Account(f"the user {user}", int(user), group, None, None)
    return Account(
        f"`{found.pw_name}`", found.pw_uid, found.pw_gid if group is None else group, found.pw_name, found.pw_dir
    )


def _group_number(group: str) -> int:
    import grp

    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise StartupError(f"there is no group `{group}`", "see `getent group`, or use a number") from None
