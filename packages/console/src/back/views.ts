/** Agents, contacts, groups and what waits for a person, as the page shows them. */
import type { Agent, Contact, Group, Request } from "@aimessage/sdk";
import type { FollowedLink } from "./agents-back.ts";
import { cameView, deadView, sentFile } from "./lines.ts";
import type { AgentView, ContactView, ConversationView, GroupView, TodoView } from "./port.ts";

/** Letters that are shown at once, and questions. */
const SHOWN = 100;
/** Parts of To do that wait for a decision. */
const DECISIONS = ["requests", "guarded", "invitations", "changed", "pairings"] as const;

/** @param name By which it is asked for: not as its owner may have written it */
export async function agentView(name: string, agent: Agent, link: AgentView["link"]): Promise<AgentView> {
  const [stuck, pending, unread, dead, decisions] = await Promise.all([
    agent.outbox.waiting(),
    // Of these only the number is wanted.
    openQuestions(agent, false),
    agent.unhandled(),
    agent.deadLetters.count(),
    decisionsOf(agent),
  ]);
  return {
    name,
    unread,
    questions: pending.length,
    stuck,
    dead,
    decisions: DECISIONS.reduce((sum, kind) => sum + decisions[kind].length, 0),
    link,
  };
}

/** How the link of an agent stands. */
export function linkView({ last, ended }: FollowedLink = {}): AgentView["link"] {
  if (ended !== undefined) return { state: "ended", detail: ended.message, problem: ended };
  return last === undefined ? { state: "unknown", detail: "" } : { state: last.state, detail: last.detail };
}

/** What only the owner can decide. */
async function decisionsOf(agent: Agent): Promise<Pick<TodoView, (typeof DECISIONS)[number]>> {
  const [requests, guarded, groups, contacts, lines] = await Promise.all([
    agent.requests.list(),
    agent.guard.list(),
    agent.groups.list(),
    agent.contacts(),
    agent.pairing.lines(),
  ]);
  return {
    requests: requests.map(requestView),
    guarded: guarded.map(({ username: name, messages, lastAt: at }) => ({ name, messages, at })),
    invitations: groups.filter(({ state }) => state === "invited").map((group) => groupView(group, agent.username)),
    changed: contacts.filter(({ stopped }) => stopped !== undefined).map(contactView),
    pairings: lines.flatMap(({ id, state, by }) =>
      state === "asked" && by !== undefined ? [{ id, by: { name: by.username, fingerprint: by.fingerprint } }] : [],
    ),
  };
}

function openQuestions(agent: Agent, bodies: boolean) {
  return agent.pending({ limit: SHOWN, bodies, expectsReply: true });
}

export async function conversationViews(agent: Agent): Promise<ConversationView[]> {
  const [all, contacts, groups] = await Promise.all([
    agent.conversations.list(),
    agent.contacts(),
    agent.groups.list(),
  ]);
  const known = new Map(contacts.map((contact) => [contact.username, contact]));
  const views = all.map(({ with: name, at, messages, unhandled }): ConversationView => {
    const contact = known.get(name);
    const [verified, stopped] = [contact?.verified === true, contact?.stopped !== undefined];
    return { with: name, at, messages, unread: unhandled, verified, stopped };
  });
  // Whoever was never written to can be.
  const there = new Set(views.map(({ with: name }) => name));
  const empty = [
    // Of whoever waits for consent To do tells.
    ...contacts
      .filter(({ tier }) => tier !== "unknown")
      .map(({ username, verified }) => ({ with: username, verified })),
    ...groups.filter(({ state }) => state === "active").map(({ name }) => ({ with: `@${name}`, verified: false })),
  ];
  for (const each of empty)
    if (!there.has(each.with)) views.push({ ...each, at: 0, messages: 0, unread: 0, stopped: false });
  return views;
}

export async function todoView(agent: Agent): Promise<TodoView> {
  const [decisions, questions, dead, outbox] = await Promise.all([
    decisionsOf(agent),
    openQuestions(agent, true),
    agent.deadLetters.list(),
    agent.outbox.list(),
  ]);
  const waiting = outbox.filter(({ state }) => state === "queued");
  return {
    ...decisions,
    questions: questions.map((question) => cameView(question)),
    dead: dead.slice(-SHOWN).map(deadView),
    outbox: waiting.slice(0, SHOWN).map(({ id, to, createdAt: at, reason, files = [] }) => ({
      id,
      to,
      at,
      ...(reason === undefined ? {} : { reason }),
      files: files.map(sentFile),
    })),
    away: outbox.length - waiting.length,
  };
}

function requestView({ username: name, fingerprint, messages, lastAt: at }: Request): TodoView["requests"][number] {
  return { name, fingerprint, messages, at };
}

export function contactView(contact: Contact): ContactView {
  const { username: name, fingerprint, tier, verified, blocked, stopped, newFingerprint } = contact;
  return {
    name,
    fingerprint,
    tier,
    verified,
    blocked,
    ...(stopped === undefined ? {} : { stopped }),
    ...(newFingerprint === undefined ? {} : { newFingerprint }),
  };
}

export function groupView(group: Group, own: string): GroupView {
  const { name, about, state, admins, members, inviter, isLapsed } = group;
  return {
    name,
    about,
    state,
    members,
    ...(inviter === undefined ? {} : { inviter }),
    isAdmin: admins.includes(own.toLowerCase()),
    isLapsed,
  };
}
