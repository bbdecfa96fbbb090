/** Floor of logins and of idle connections: sends every text back. */
import { listen } from "./listen.ts";

await listen((socket) => socket.on("message", (bytes: Buffer) => socket.send(bytes.toString())));
