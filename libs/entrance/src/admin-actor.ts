import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { actorHeader, actorName, Problem } from '@sallyport/protocol';
import { peerOf } from '@sallyport/tls';

interface HttpRequest {
  readonly raw: IncomingMessage;
}

/** A parameter of an admin operation: who asks, for the audit log, as `actorOf` says. */
export const Actor = createParamDecorator((_: unknown, context: ExecutionContext) =>
  actorOf(context.switchToHttp().getRequest<HttpRequest>().raw),
);

const personByRequest = new WeakMap<IncomingMessage, string>();

/** Notes the person whom a verified token names. The audit log names that person, whatever the header says. */
export function notePerson(request: IncomingMessage, name: string): void {
  personByRequest.set(request, name);
}

/**
 * Who sent an admin request, for the audit log. What the connection has proved comes first and is always there:
 *
 * - `local-admin:alice`: over the Unix socket, which only the owner of the run directory can open; the header names the
 * user. `local-admin` without it. - `admin:alice`: over the network, where a certificate proved the name.
 * `admin:console for alice` when the header names another person, for whom a program acts. A device id has no space,
 * so the two names cannot be mixed up.
 *
 * @throws Problem `invalid-request`: the header breaks the rules of `actorName`
 * @throws Problem `forbidden`: the request came over the network, and nothing was proved
 */
export function actorOf(request: IncomingMessage): string {
  const named = personByRequest.get(request) ?? namedActor(request);
  const peer = peerOf(request);
  if (peer !== undefined) {
    const proved = `${peer.kind}:${peer.deviceId}`;
    return named === undefined || named === peer.deviceId ? proved : `${proved} for ${named}`;
  }
  if (isOverNetwork(request)) throw new Problem('forbidden', 'This API needs the certificate of an administrator.');
  return named === undefined ? 'local-admin' : `local-admin:${named}`;
}

function namedActor({ headers }: IncomingMessage): string | undefined {
  const value = headers[actorHeader];
  if (value === undefined) return undefined;
  const parsed = actorName.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Problem('invalid-request', `The header ${actorHeader} ${issue?.message ?? 'cannot be used'}.`);
}

/** A Unix socket has no address at its other end. */
export function isOverNetwork({ socket }: IncomingMessage): boolean {
  return socket instanceof Socket && socket.remoteAddress !== undefined;
}
