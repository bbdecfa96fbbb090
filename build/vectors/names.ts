/** Names and ids of every kind. What is right and wrong is said here by hand. */
import { GROUP, RELAY, type Vector } from "./vector.ts";

const username = (what: string, text: string, key?: string): Vector => ({
  clause: "P-3.1",
  what,
  username: text,
  ...(key === undefined ? { valid: false } : { valid: true, key }),
});
const id = (what: string, text: string, valid: boolean): Vector => ({ clause: "P-2.5", what, id: text, valid });
const group = (what: string, text: string, valid: boolean): Vector => ({
  clause: "P-2.5",
  what,
  group_id: text,
  valid,
});
const encoded = (what: string, text: string, bytes?: string): Vector => ({
  clause: "P-2.5",
  what,
  base64: text,
  ...(bytes === undefined ? { valid: false } : { valid: true, bytes }),
});
const relay = (what: string, url: string, name: string): Vector => ({ clause: "P-4.3", what, url, relay: name });

export function nameVectors(): Vector[] {
  return [
    username("three characters", "bob", "bob"),
    username("all that is allowed", "Alice-B_2", "alice-b_2"),
    username("32 characters", "a".repeat(32), "a".repeat(32)),
    username("two characters", "al"),
    username("33 characters", "a".repeat(33)),
    username("empty", ""),
    username("a dot", "b.b"),
    username("a space at its end", "bob "),
    username("a line feed at its end", "bob\n"),
    username("a letter beyond ASCII", "b\u{f6}b"),
    username("a letter whose lower case is in ASCII: the Kelvin sign", "bo\u{212a}"),
    username("a Cyrillic letter", "b\u{43e}b"),
    id("one character", "7", true),
    id("all that is allowed", "Aa0-_", true),
    id("64 characters", "i".repeat(64), true),
    id("65 characters", "i".repeat(65), false),
    id("empty", "", false),
    id("a path", "../etc", false),
    group("32 bytes in hex", GROUP, true),
    group("capitals", GROUP.toUpperCase(), false),
    group("31 bytes", GROUP.slice(2), false),
    encoded("the alphabet's last two", "+/+/", "fbffbf"),
    encoded("padding of one", "AAE=", "0001"),
    encoded("padding of two", "/w==", "ff"),
    encoded("empty", "", ""),
    encoded("without its padding", "AAE"),
    encoded("the alphabet of URLs", "-_-_"),
    encoded("white space", "AAE=\n"),
    encoded("padding in its midst", "AA==AA=="),
    relay("the port of wss goes without saying", "wss://Relay.Example.org:443/ws", RELAY),
    relay("that of ws, too", "ws://relay.example.org:80/ws", RELAY),
    relay("any other does not", "wss://relay.example.org:80/", "relay.example.org:80"),
    relay("a path is no part of it", "wss://relay.example.org/some/ws", RELAY),
    relay("an address", "ws://127.0.0.1:8080/ws", "127.0.0.1:8080"),
    relay("an IPv6 address, in brackets", "ws://[::1]:8080/ws", "[::1]:8080"),
    relay("a name beyond ASCII", "wss://b\u{fc}cher.example/ws", "xn--bcher-kva.example"),
    { clause: "P-3.8", what: "an invite", invite: "aB3-_", valid: true },
    { clause: "P-3.8", what: "an invite with a dot", invite: "a.b", valid: false },
    { clause: "P-3.8", what: "an invite of 129 characters", invite: "a".repeat(129), valid: false },
  ];
}
