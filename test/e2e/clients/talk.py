"""A client written from PROTOCOL.md with Debian's python3-websockets: it logs
in, joins, talks, loses its connection, resumes. Prints what it heard as JSON.

usage: talk.py URL TOKEN TASK
"""
import asyncio
import json
import sys

import websockets


class Connection:
    def __init__(self, socket):
        self.socket = socket
        self.refs = 0
        self.events = []

    async def read(self):
        return json.loads(await asyncio.wait_for(self.socket.recv(), 60))

    async def ask(self, **frame):
        self.refs += 1
        await self.socket.send(json.dumps({**frame, "ref": self.refs}))
        while True:
            answer = await self.read()
            if answer["type"] == "reply" and answer.get("ref") == self.refs:
                if not answer["ok"]:
                    raise RuntimeError(answer["error"])
                return answer["data"]
            self.events.append(answer)

    async def event(self, kind, test=lambda event: True):
        while True:
            for event in self.events:
                if event["type"] == kind and test(event):
                    return event
            self.events.append(await self.read())


async def main(url, token, task):
    heard = []
    async with websockets.connect(url, subprotocols=["taskchat.v1"]) as socket:
        me = Connection(socket)
        await me.ask(type="authenticate", token=token)
        welcome = await me.event("welcome")
        room = await me.ask(type="join_task_room", task_id=task)
        sent = await me.ask(type="send_message", task_id=task, content="from Python", client_msg_id="p1")
        event = await me.event("message_received", lambda e: e["message"]["client_msg_id"] == "p1")
        again = await me.ask(type="send_message", task_id=task, content="from Python", client_msg_id="p1")
        answer = await me.event("message_received", lambda e: e["message"]["sender_id"] != welcome["user_id"])
        heard.append(answer["message"]["content"])
        last, epoch = answer["seq"], room["epoch"]
        print("offline", flush=True)
    sys.stdin.readline()
    async with websockets.connect(url, extra_headers={"Authorization": "Bearer " + token}) as socket:
        me = Connection(socket)
        await me.event("welcome")
        room = await me.ask(type="join_task_room", task_id=task, after_seq=last, epoch=epoch)
        heard += [e["message"]["content"] for e in room["events"]]
        await (await socket.ping())
    print(json.dumps({
        "user": welcome["user_id"], "seq": event["seq"] == sent["message"]["seq"],
        "duplicate": again["duplicate"], "heard": heard, "reset": room["reset"], "protocol": socket.subprotocol,
    }))


asyncio.run(main(*sys.argv[1:]))
