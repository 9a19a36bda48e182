import type { IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type AdminRole, type AdminRoute, adminRole, Problem, roleFor } from '@sallyport/protocol';
import { Served, ServiceContext } from '@sallyport/runtime';
import { type Peer, peerOf } from '@sallyport/tls';
import { isOverNetwork, notePerson } from './admin-actor.js';
import { BearerTokens } from './bearer-tokens.js';

interface HttpRequest {
  readonly raw: IncomingMessage;
}

/**
 * Lets an admin request pass if its sender has the role that the operation asks for. The socket of the machine gives every
 * right. On the network a certificate gives a role; a token of a person takes away what the person may not do.
 */
@Injectable()
export class RoleGuard implements CanActivate {
  private tokens: BearerTokens | undefined;

  constructor(
    private readonly context: ServiceContext,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(execution: ExecutionContext): Promise<boolean> {
    if (execution.getType() !== 'http') return true;
    const request = execution.switchToHttp().getRequest<HttpRequest>().raw;
    const peer = peerOf(request);
    if (peer === undefined) {
      if (isOverNetwork(request)) throw noAdministrator();
      return true;
    }
    const route = this.reflector.get<AdminRoute | undefined>(Served.KEY, execution.getHandler());
    const needed = route === undefined ? 'admin' : roleFor(route);
    const own = this.roleByName(peer);
    const personal = await this.roleInToken(request);
    if (ranks(own) < ranks(needed))
      throw new Problem(
        'forbidden',
        `This needs the role ${needed}, and "${peer.deviceId}" has the role ${own} here. Ask an administrator: settings admin.role, admin.operators, admin.viewers.`,
      );
    if (personal !== undefined && ranks(personal) < ranks(needed))
      throw new Problem(
        'forbidden',
        `This needs the role ${needed}, and the token gives the role ${personal}. The provider of the token gives roles to people.`,
      );
    return true;
  }

  /** What the person may do for whom the request is sent; absent: it is sent for nobody. */
  private async roleInToken(request: IncomingMessage): Promise<AdminRole | undefined> {
    const token = tokenIn(request);
    if (token === undefined) return undefined;
    const person = await this.verifier().verify(token);
    notePerson(request, person.name);
    return person.role;
  }

  private roleByName({ kind, deviceId }: Peer): AdminRole {
    const { settings } = this.context;
    if (kind !== 'admin') throw noAdministrator();
    if (settings.require('admin.viewers').includes(deviceId)) return 'viewer';
    if (settings.require('admin.operators').includes(deviceId)) return 'operator';
    return settings.require('admin.role');
  }

  private verifier(): BearerTokens {
    const { settings, clock } = this.context;
    const issuer = settings.get('admin.oidc.issuer');
    if (issuer === undefined)
      throw new Problem('credentials-invalid', 'No token is accepted here. Set admin.oidc.issuer, or send none.');
    this.tokens ??= new BearerTokens({
      issuer,
      audience: settings.require('admin.oidc.audience'),
      roleClaim: settings.require('admin.oidc.role_claim'),
      now: () => clock.now(),
    });
    return this.tokens;
  }
}

function noAdministrator(): Problem {
  return new Problem('forbidden', 'This API needs the certificate of an administrator.');
}

function ranks(role: AdminRole): number {
  return adminRole.options.indexOf(role);
}

/** RFC 6750 §2.1. @throws Problem `credentials-invalid`: there is a header of another form */
function tokenIn({ headers }: IncomingMessage): string | undefined {
  const { authorization } = headers;
  if (authorization === undefined) return undefined;
  const [, token] = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization) ?? [];
  if (token === undefined) throw new Problem('credentials-invalid', 'The header Authorization holds no bearer token.');
  return token;
}
