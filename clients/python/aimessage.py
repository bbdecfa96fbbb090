"""AI Message for Python: an agent, over `aimessage pipe`. One file, the standard library alone, Python 3.9 and newer.

    from aimessage import Agent

    with Agent("bob") as agent:
        for message in agent.messages():
            message.handled(reply="I have read: " + message.body)

`AsyncAgent` is the same for asyncio. What is received is handled when the program says so: a program that dies before gets
the message again. Ids, states and error codes are those of the command line; docs/pipe.schema.json has every field.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import queue
import shlex
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, AsyncIterator, Dict, Iterator, List, Optional, Sequence, Union

__all__ = [
    "Agent",
    "AgentError",
    "AsyncAgent",
    "AsyncGroups",
    "AsyncMessage",
    "File",
    "Group",
    "GroupMember",
    "Groups",
    "Message",
]

Body = Union[str, bytes]
Path = Union[str, "os.PathLike[str]"]
Paths = Optional[Sequence[Path]]


class AgentError(Exception):
    """What went wrong: `code` and `reason` are stable words, `hint` says what to do, `message_id` is of which message."""

    def __init__(self, message: str, data: Optional[Dict[str, Any]] = None):
        super().__init__(message)
        data = data or {}
        self.code: str = data.get("code", "internal")
        self.reason: Optional[str] = data.get("reason")
        self.hint: Optional[str] = data.get("hint")
        self.message_id: Optional[str] = data.get("message_id")

    def __str__(self) -> str:
        message = super().__str__()
        return message if self.hint is None else f"{message} ({self.hint})"


@dataclass
class File:
    """A file that has come with a message, as its sender describes it. `name` is safe on every system, `sha256` in hex."""

    name: str
    bytes: int
    sha256: str
    type: Optional[str] = None


@dataclass
class GroupMember:
    """A member of a group. Times are Unix milliseconds; `heard_at` is None if nothing has ever come of it."""

    username: str
    admin: bool
    is_self: bool
    verified: bool
    trust: str
    keys_at: int
    identity_changed: bool = False
    device: Optional[str] = None
    device_counter: Optional[int] = None
    heard_at: Optional[int] = None
    keys_old: bool = False
    lapsed: bool = False


@dataclass
class Group:
    """A group. `state` is founding, invited or active; `roster` is there if `info` was asked, `waiting` has changes not made yet."""

    name: str
    about: str
    state: str
    founded_at: int
    admins: List[str]
    members: List[str]
    inviter: Optional[str] = None
    lapsed: bool = False
    waiting: List[Dict[str, Any]] = field(default_factory=list)
    roster: List[GroupMember] = field(default_factory=list)


@dataclass
class _Fields:
    """A message that was received. Times are Unix milliseconds."""

    id: str
    peer_id: str
    sender: str
    body: str
    data: bytes
    content_type: str
    sent_at: int
    received_at: int
    offline: bool
    verified: bool
    trust: str
    expects_reply: bool
    #: A person has written it, by its sender's word.
    human: bool
    late: bool
    reply_to: Optional[str]
    thread: Optional[str]
    headers: Dict[str, str]
    files: List[File]
    attempt: int
    #: The group that it was sent to, if it was to one. `reply` goes to all of it, `reply(..., privately=True)` to its sender.
    group: Optional[str]
    _agent: Any = field(repr=False, compare=False)


class Message(_Fields):
    def reply(self, body: Body = "", *, files: Paths = None, **more: Any) -> str:
        """Answers it. Returns the id of the answer, which is on disk then."""
        return self._agent.call("reply", message_id=self.id, **_body(body), **_files(files), **more)["message_id"]

    def handled(self, reply: Optional[Body] = None, *, files: Paths = None, **more: Any) -> None:
        """It is handled, and, in the same step, answered by `reply` and `files`, if there are any."""
        self._agent.call("handled", message_id=self.id, **_answer(reply), **_files(files), **more)

    def save(
        self, folder: Optional[Path] = None, file: Optional[str] = None, max_bytes: Optional[int] = None
    ) -> List[str]:
        """Saves its files, or those of the name `file`, in a folder, which is made if it is not there; default: the root of files.
        Returns their paths.

        What is there already is not fetched again. Raises AgentError if one cannot be had; the others are saved.
        """
        return _saved(self._agent.call("save", **_saving(self, folder, file, max_bytes)), self)

    def failed(self, reason: str) -> None:
        """It will not be handled: its sender hears why."""
        self._agent.call("failed", message_id=self.id, reason=reason)

    def retry(self, reason: str = "", after_ms: int = 1000) -> None:
        """It comes again, after a while."""
        self._agent.call("retry", message_id=self.id, reason=reason, after_ms=after_ms)


class AsyncMessage(_Fields):
    async def reply(self, body: Body = "", *, files: Paths = None, **more: Any) -> str:
        answer = await self._agent.call("reply", message_id=self.id, **_body(body), **_files(files), **more)
        return answer["message_id"]

    async def handled(self, reply: Optional[Body] = None, *, files: Paths = None, **more: Any) -> None:
        await self._agent.call("handled", message_id=self.id, **_answer(reply), **_files(files), **more)

    async def save(
        self, folder: Optional[Path] = None, file: Optional[str] = None, max_bytes: Optional[int] = None
    ) -> List[str]:
        return _saved(await self._agent.call("save", **_saving(self, folder, file, max_bytes)), self)

    async def failed(self, reason: str) -> None:
        await self._agent.call("failed", message_id=self.id, reason=reason)

    async def retry(self, reason: str = "", after_ms: int = 1000) -> None:
        await self._agent.call("retry", message_id=self.id, reason=reason, after_ms=after_ms)


class Groups:
    """Groups of an agent: `agent.groups`. A message to one is `agent.send("@team", ...)`. Each raises AgentError.

    A change is kept, and made once, also where the relay's word on it does not come within `timeout` seconds.
    """

    def __init__(self, agent: "Agent"):
        self._agent = agent

    def list(self) -> "List[Group]":
        """Those that the agent is in, or is invited to."""
        found: "List[Group]" = []
        more = True
        while more:
            answer = self._agent.call("groups.list", **({"after": found[-1].name} if found else {}))
            found += [_group(value) for value in answer["groups"]]
            more = answer.get("more", False)
        return found

    def info(self, group: str) -> Group:
        """One of them, with its `roster`: admins first, by rank."""
        return _group(self._agent.call("groups.show", group=group))

    def create(
        self,
        name: str,
        members: Sequence[str] = (),
        *,
        like: Optional[str] = None,
        about: Optional[str] = None,
        timeout: float = 30.0,
    ) -> Group:
        """Founds one, with `members` and those of the group `like`. All are added, or there is none."""
        return _group(self._agent.call("groups.create", **_founding(name, members, like, about, timeout)))

    def add(self, group: str, members: Sequence[str], *, timeout: float = 30.0) -> Group:
        return _group(self._agent.call("groups.add", **_change(group, members, timeout)))

    def remove(self, group: str, members: Sequence[str], *, timeout: float = 30.0) -> Group:
        return _group(self._agent.call("groups.remove", **_change(group, members, timeout)))

    def promote(self, group: str, members: Sequence[str], *, timeout: float = 30.0) -> Group:
        return _group(self._agent.call("groups.promote", **_change(group, members, timeout)))

    def demote(self, group: str, members: Sequence[str], *, timeout: float = 30.0) -> Group:
        return _group(self._agent.call("groups.demote", **_change(group, members, timeout)))

    def rename(self, group: str, name: str, *, timeout: float = 30.0) -> Group:
        return _group(self._agent.call("groups.rename", group=group, name=name, timeout_ms=int(timeout * 1000)))

    def accept(self, group: str) -> Group:
        """Takes an invitation; one of a stranger is its owner's to take."""
        return _group(self._agent.call("groups.accept", group=group))

    def refuse(self, group: str, *, timeout: float = 30.0) -> None:
        self._agent.call("groups.refuse", group=group, timeout_ms=int(timeout * 1000))

    def leave(self, group: str, *, timeout: float = 30.0) -> None:
        self._agent.call("groups.leave", group=group, timeout_ms=int(timeout * 1000))


class AsyncGroups:
    """The same for asyncio."""

    def __init__(self, agent: "AsyncAgent"):
        self._agent = agent

    async def list(self) -> "List[Group]":
        found: "List[Group]" = []
        more = True
        while more:
            answer = await self._agent.call("groups.list", **({"after": found[-1].name} if found else {}))
            found += [_group(value) for value in answer["groups"]]
            more = answer.get("more", False)
        return found

    async def info(self, group: str) -> Group:
        return _group(await self._agent.call("groups.show", group=group))

    async def create(
        self,
        name: str,
        members: Sequence[str] = (),
        *,
        like: Optional[str] = None,
        about: Optional[str] = None,
        timeout: float = 30.0,
    ) -> Group:
        return _group(await self._agent.call("groups.create", **_founding(name, members, like, about, timeout)))

    async def add(self, group: str, members: Sequence[str], *, timeout: float = 30.0) -> Group:
        return _group(await self._agent.call("groups.add", **_change(group, members, timeout)))

    async def remove(self, group: str, members: Sequence[str], *, timeout: float = 30.0) -> Group:
        return _group(await self._agent.call("groups.remove", **_change(group, members, timeout)))

    async def promote(self, group: str, members: Sequence[str], *, timeout: float = 30.0) -> Group:
        return _group(await self._agent.call("groups.promote", **_change(group, members, timeout)))

    async def demote(self, group: str, members: Sequence[str], *, timeout: float = 30.0) -> Group:
        return _group(await self._agent.call("groups.demote", **_change(group, members, timeout)))

    async def rename(self, group: str, name: str, *, timeout: float = 30.0) -> Group:
        return _group(await self._agent.call("groups.rename", group=group, name=name, timeout_ms=int(timeout * 1000)))

    async def accept(self, group: str) -> Group:
        return _group(await self._agent.call("groups.accept", group=group))

    async def refuse(self, group: str, *, timeout: float = 30.0) -> None:
        await self._agent.call("groups.refuse", group=group, timeout_ms=int(timeout * 1000))

    async def leave(self, group: str, *, timeout: float = 30.0) -> None:
        await self._agent.call("groups.leave", group=group, timeout_ms=int(timeout * 1000))


class _Pipe:
    """What both kinds of agent have: how the process is called, what was asked of it, and how it ended."""

    def __init__(
        self,
        username: Optional[str] = None,
        *,
        home: Optional[str] = None,
        command: Union[str, Sequence[str], None] = None,
        files_root: Optional[Path] = None,
        window: int = 16,
    ):
        root = [] if files_root is None else ["--files-root", os.path.abspath(os.fspath(files_root))]
        self._arguments = [*_arguments(username, home, command), *root]
        self._window = window
        self._calls: Dict[int, Any] = {}
        self._next = 0
        self._subscribed = False
        self._ended: Optional[AgentError] = None
        self._errors: List[str] = []
        self._start()

    def _start(self) -> None:
        """Starts the process, where that needs no event loop."""

    def _asks(self, method: str, params: Dict[str, Any], future: Any) -> bytes:
        """The line of one request, whose answer goes to `future`."""
        if self._ended is not None:
            raise self._ended
        self._next += 1
        self._calls[self._next] = future
        return (json.dumps({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}) + "\n").encode()

    def _said(self, line: bytes) -> None:
        """What the process says on stderr: of that the last lines tell why it has ended."""
        self._errors.append(line.decode("utf-8", "replace").rstrip())
        del self._errors[:-20]


class Agent(_Pipe):
    """An agent of this machine, by its name. `command` is how aimessage is called; default AIMESSAGE_COMMAND, or `aimessage`.

    A text is the path of a program, if there is such a file, and else words as a shell splits them: `npx aimessage`.
    Files are sent and saved below `files_root` alone; default: the working folder, unless that is / or the home folder.
    """

    def _start(self) -> None:
        with _starting(self._arguments):
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # What is wrong with it is said there, in one sentence.
                stderr=subprocess.PIPE,
            )
        self._lock = threading.Lock()
        self._inbox: "queue.Queue[Optional[Message]]" = queue.Queue()
        self._threads = [
            threading.Thread(target=self._follow_errors, daemon=True),
            threading.Thread(target=self._follow, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def call(self, method: str, **params: Any) -> Any:
        """One request, and its result. Raises AgentError."""
        return self.begin(method, **params).result()

    def begin(self, method: str, **params: Any) -> "Future[Any]":
        """The same without waiting. What was asked cannot be taken back: the answer may be left alone, and no more."""
        future: "Future[Any]" = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            line = self._asks(method, params, future)
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except OSError:
                # Its end is told by whoever reads.
                pass
        return future

    def send(self, to: str, body: Body = "", *, files: Paths = None, **more: Any) -> str:
        """Puts a message into the outbox, from which it is sent as soon as possible, with its files. Returns its id."""
        return self.call("send", to=to, **_body(body), **_files(files), **more)["message_id"]

    def ask(self, to: str, body: Body = "", *, files: Paths = None, timeout: float = 60.0, **more: Any) -> Message:
        """Asks, and returns the reply. Raises AgentError: `expired` if none has come in time."""
        asked = self.call("ask", to=to, timeout_ms=int(timeout * 1000), **_body(body), **_files(files), **more)
        return Message(**_fields(asked, self))

    def resume(self, question: str) -> Message:
        """The reply to a question that was asked before, by its id."""
        return Message(**_fields(self.call("ask", resume=question), self))

    def messages(self, sender: Optional[str] = None) -> Iterator[Message]:
        """Messages as they come, those that waited first. Settle each: handled, failed, or retry."""
        if not self._subscribed:
            self._subscribed = True
            self.call("subscribe", window=self._window, **({} if sender is None else {"from": sender}))
        while True:
            message = self._inbox.get()
            if message is None:
                if self._ended is not None and self._process.poll() not in (None, 0):
                    raise self._ended
                return
            yield message

    def status(self, message_id: str) -> Dict[str, Any]:
        """What became of a message that was sent; of one to a group its `recipients` say how it is at each member."""
        return self.call("status", message_id=message_id)

    def wait(
        self, message_id: str, state: str = "handled", *, at_least: Optional[int] = None, timeout: float = 30.0
    ) -> Dict[str, Any]:
        """Its status, once it is `handled`, or `received`; of one to a group by all of it, or by `at_least` so many."""
        return self.call("wait", **_waiting(message_id, state, at_least, timeout))

    @property
    def groups(self) -> Groups:
        return Groups(self)

    def whoami(self) -> Dict[str, Any]:
        return self.call("whoami")

    def close(self) -> None:
        """Gives back what is unsettled, sends what waits, and ends."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except OSError:
                pass
        self._process.wait()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "Agent":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                value = json.loads(line)
                if value.get("method") == "message":
                    self._inbox.put(Message(**_fields(value["params"], self)))
                elif "id" in value and "method" not in value:
                    with self._lock:
                        future = self._calls.pop(value["id"], None)
                    if future is not None:
                        _settle(future, value)
        except Exception as error:  # What is no aimessage: nobody waits for it in vain.
            self._said(repr(error).encode())
            self._process.kill()
        self._process.wait()
        self._threads[0].join()
        with self._lock:
            self._ended = _end(self._process.returncode, self._errors)
            calls, self._calls = list(self._calls.values()), {}
        for future in calls:
            future.set_exception(self._ended)
        self._inbox.put(None)

    def _follow_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said(line)


class AsyncAgent(_Pipe):
    """The same for asyncio: `async with AsyncAgent("bob") as agent: async for message in agent.messages(): ...`"""

    async def __aenter__(self) -> "AsyncAgent":
        self._inbox: "asyncio.Queue[Optional[AsyncMessage]]" = asyncio.Queue()
        pipe = asyncio.subprocess.PIPE
        with _starting(self._arguments):
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments, stdin=pipe, stdout=pipe, stderr=pipe
            )
        self._errors_task = asyncio.ensure_future(self._follow_errors())
        self._task = asyncio.ensure_future(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def call(self, method: str, **params: Any) -> Any:
        """One request, and its result. Raises AgentError."""
        future: "asyncio.Future[Any]" = asyncio.get_running_loop().create_future()
        line = self._asks(method, params, future)
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        try:
            await self._process.stdin.drain()
        except OSError:
            pass
        return await future

    async def send(self, to: str, body: Body = "", *, files: Paths = None, **more: Any) -> str:
        return (await self.call("send", to=to, **_body(body), **_files(files), **more))["message_id"]

    async def ask(
        self, to: str, body: Body = "", *, files: Paths = None, timeout: float = 60.0, **more: Any
    ) -> AsyncMessage:
        reply = await self.call("ask", to=to, timeout_ms=int(timeout * 1000), **_body(body), **_files(files), **more)
        return AsyncMessage(**_fields(reply, self))

    async def resume(self, question: str) -> AsyncMessage:
        return AsyncMessage(**_fields(await self.call("ask", resume=question), self))

    async def messages(self, sender: Optional[str] = None) -> AsyncIterator[AsyncMessage]:
        if not self._subscribed:
            self._subscribed = True
            await self.call("subscribe", window=self._window, **({} if sender is None else {"from": sender}))
        while True:
            message = await self._inbox.get()
            if message is None:
                if self._ended is not None and self._process.returncode != 0:
                    raise self._ended
                return
            yield message

    async def status(self, message_id: str) -> Dict[str, Any]:
        return await self.call("status", message_id=message_id)

    async def wait(
        self, message_id: str, state: str = "handled", *, at_least: Optional[int] = None, timeout: float = 30.0
    ) -> Dict[str, Any]:
        return await self.call("wait", **_waiting(message_id, state, at_least, timeout))

    @property
    def groups(self) -> AsyncGroups:
        return AsyncGroups(self)

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._task

    async def _follow(self) -> None:
        assert self._process.stdout is not None
        try:
            async for line in _lines(self._process.stdout):
                value = json.loads(line)
                if value.get("method") == "message":
                    self._inbox.put_nowait(AsyncMessage(**_fields(value["params"], self)))
                elif "id" in value and "method" not in value:
                    future = self._calls.pop(value["id"], None)
                    if future is not None and not future.done():
                        _settle(future, value)
        except Exception as error:  # What is no aimessage: nobody waits for it in vain.
            self._said(repr(error).encode())
            if self._process.returncode is None:
                self._process.kill()
        returncode = await self._process.wait()
        await self._errors_task
        self._ended = _end(returncode, self._errors)
        for future in self._calls.values():
            if not future.done():
                future.set_exception(self._ended)
        self._inbox.put_nowait(None)

    async def _follow_errors(self) -> None:
        assert self._process.stderr is not None
        async for line in _lines(self._process.stderr):
            self._said(line)


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: asyncio's own reader has a limit."""
    rest: List[bytes] = []
    while True:
        part = await reader.read(2**16)
        if not part:
            break
        *whole, last = part.split(b"\n")
        for line in whole:
            yield b"".join([*rest, line])
            rest = []
        rest.append(last)
    if any(rest):
        yield b"".join(rest)


def _arguments(username: Optional[str], home: Optional[str], command: Union[str, Sequence[str], None]) -> List[str]:
    given = command or os.environ.get("AIMESSAGE_COMMAND") or "aimessage"
    if not isinstance(given, str):
        words = list(given)
    else:
        words = [given] if os.path.isfile(given) else shlex.split(given)
    return [
        *words,
        "pipe",
        "--json",
        *([] if username is None else ["-u", username]),
        *([] if home is None else ["--home", home]),
    ]


@contextlib.contextmanager
def _starting(arguments: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        missing = isinstance(error, FileNotFoundError) and os.sep not in arguments[0]
        why = "is not on the PATH" if missing else f"cannot be started: {error.strerror}"
        hint = 'set AIMESSAGE_COMMAND to what starts it: in a clone "npx aimessage", elsewhere "CLONE/node_modules/.bin/node CLONE/packages/cli/bin/aimessage.js"'
        raise AgentError(f"{arguments[0]} {why}", {"code": "usage", "hint": hint}) from None


def _body(body: Body) -> Dict[str, str]:
    if isinstance(body, str):
        return {"body": body}
    return {"body_base64": base64.b64encode(body).decode("ascii")}


def _answer(reply: Optional[Body]) -> Dict[str, str]:
    return {} if reply is None else _body(reply)


def _files(files: Paths) -> Dict[str, List[str]]:
    """Whole paths: relative ones are meant from here on, wherever the root of files is."""
    return {} if files is None else {"files": [os.path.abspath(os.fspath(path)) for path in files]}


def _waiting(message_id: str, state: str, at_least: Optional[int], timeout: float) -> Dict[str, Any]:
    params: Dict[str, Any] = {"message_id": message_id, "state": state, "timeout_ms": int(timeout * 1000)}
    return params if at_least is None else {**params, "at_least": at_least}


def _founding(
    name: str, members: Sequence[str], like: Optional[str], about: Optional[str], timeout: float
) -> Dict[str, Any]:
    names = [members] if isinstance(members, str) else list(members)
    params = {"name": name, "members": names, "like": like, "about": about, "timeout_ms": int(timeout * 1000)}
    return {key: value for key, value in params.items() if value is not None}


def _change(group: str, members: Sequence[str], timeout: float) -> Dict[str, Any]:
    # A text is a sequence of letters, too.
    names = [members] if isinstance(members, str) else list(members)
    return {"group": group, "members": names, "timeout_ms": int(timeout * 1000)}


def _group(value: Dict[str, Any]) -> Group:
    known = {key: value[key] for key in Group.__dataclass_fields__ if key in value}
    roster = []
    for each in value.get("roster", []):
        named = {**each, "is_self": each["self"]}
        roster.append(GroupMember(**{key: named[key] for key in GroupMember.__dataclass_fields__ if key in named}))
    return Group(**{**known, "roster": roster})


def _saving(
    message: _Fields, folder: Optional[Path], file: Optional[str], max_bytes: Optional[int]
) -> Dict[str, Any]:
    params: Dict[str, Any] = {"message_id": message.id}
    if folder is not None:
        params["dir"] = os.path.abspath(os.fspath(folder))
    if file is not None:
        params["file"] = file
    if max_bytes is not None:
        params["max_bytes"] = max_bytes
    return params


def _saved(result: Dict[str, Any], message: _Fields) -> List[str]:
    for file in result["files"]:
        if "error" in file:
            word, code = file["error"], file.get("code", "file_failed")
            data = {"code": code, "reason": None if word == code else word, "message_id": message.id}
            raise AgentError(f"{file['name']} was not saved: {file['error'].replace('_', ' ')}", data)
    return [file["path"] for file in result["files"]]


def _fields(value: Dict[str, Any], agent: Any) -> Dict[str, Any]:
    text = value["body"]
    data = base64.b64decode(value["body_base64"]) if text is None else text.encode()
    return {
        "id": value["message_id"],
        "peer_id": value["peer_id"],
        "sender": value["from"],
        "body": text or "",
        "data": data,
        "content_type": value["content_type"],
        "sent_at": value["sent_at"],
        "received_at": value["received_at"],
        "offline": value["offline"],
        "verified": value["verified"],
        "trust": value["trust"],
        "expects_reply": value.get("expects_reply", False),
        "human": value.get("human", False),
        "late": value.get("late", False),
        "reply_to": value.get("reply_to"),
        "thread": value.get("thread"),
        "headers": value.get("headers", {}),
        "files": [
            File(file["name"], file["bytes"], file["sha256"], file.get("type")) for file in value.get("files", [])
        ],
        "attempt": value.get("attempt", 0),
        "group": value.get("group"),
        "_agent": agent,
    }


def _settle(future: Any, value: Dict[str, Any]) -> None:
    if "error" in value:
        error = value["error"]
        future.set_exception(AgentError(error["message"], error.get("data")))
    else:
        future.set_result(value["result"])


def _end(returncode: int, errors: List[str]) -> AgentError:
    said = [line for line in errors if line.startswith("{")]
    try:
        data = json.loads(said[-1]) if said else {}
    except ValueError:
        data = {}
    told = "; ".join(line.strip() for line in errors[-5:] if line.strip())
    message = data.get("message") or told or f"aimessage pipe has ended ({returncode})"
    return AgentError(message, {"code": data.get("error", "closed"), "hint": data.get("hint")})
