import { answers, type CloudAnswer } from './answers.js';
import type { CloudUser } from './cloud-broker.js';
import type { DeviceTokens } from './device-tokens.js';
import type { Enrolment } from './enrolment.js';
import { filePart } from './multipart.js';
import { notFound, pathOf, type Route, type RouteCall } from './route.js';
import type { SeenRequest, WholeBody } from './seen-request.js';
import type { Tenant } from './tenant.js';
import { trustedCertificateRoutes } from './trusted-certificate-routes.js';
import type { TrustedCertificates } from './trusted-certificates.js';

export interface RouteOptions {
  readonly tenantId: string;
  readonly host: string;
  readonly tenant: Tenant;
  readonly tokens: DeviceTokens;
  readonly trusted: TrustedCertificates;
  readonly users: readonly CloudUser[];
  readonly enrolment: Enrolment;
}

/** The tenant's REST API: who may ask, and what is answered. */
export class CloudRoutes {
  private readonly routes: readonly Route[];

  constructor(private readonly options: RouteOptions) {
    this.routes = [
      ...tenantRoutes(options),
      ...objectRoutes(options),
      ...eventRoutes(options),
      ...enrolmentRoutes(options),
      ...trustedCertificateRoutes(options.trusted, options.tenantId),
    ];
  }

  /** An answer that does not wait for the body: 401 to strangers. Enrolment has its own passwords. */
  refuse({ target, header }: SeenRequest): CloudAnswer | undefined {
    const path = pathOf(target);
    if (path === '/.well-known/est/simpleenroll' || path === '/.well-known/est/cacerts') return undefined;
    return this.isKnown(header('authorization')) ? undefined : answers.unauthorized();
  }

  /** Whether this is a token that is in date, or the password of a user. */
  isKnown(authorization = ''): boolean {
    const [scheme = '', value = ''] = authorization.split(' ');
    if (scheme.toLowerCase() === 'bearer') return this.options.tokens.deviceOf(value) !== undefined;
    const given = Buffer.from(value, 'base64').toString();
    const names = [`${this.options.tenantId}/`, ''];
    return this.options.users.some(({ name, password }) =>
      names.some((tenant) => given === `${tenant}${name}:${password}`),
    );
  }

  async answer(seen: SeenRequest, body: WholeBody): Promise<CloudAnswer> {
    const path = pathOf(seen.target);
    const method = seen.method === 'HEAD' ? 'GET' : seen.method;
    const found = this.routes.filter(([, pattern]) => pattern.test(path));
    const route = found.find(([known]) => known === method);
    if (route === undefined) return found.length > 0 ? notAllowed() : notFound(path);
    const variables = (route[1].exec(path) ?? []).slice(1).map(decodeURIComponent);
    return route[2]({ seen, body, variables });
  }
}

function notAllowed(): CloudAnswer {
  return answers.json(405, { error: 'general/methodNotAllowed', message: 'Method not allowed', info: null });
}

function tenantRoutes({ tenant, tenantId, host }: RouteOptions): Route[] {
  const objects = /^\/inventory\/managedObjects\/?$/;
  const externalId = /^\/identity\/externalIds\/([^/]+)\/([^/]+)$/;
  return [
    ['GET', /^\/tenant\/currentTenant$/, () => answers.json(200, { name: tenantId, domainName: host })],
    ['GET', objects, () => answers.json(200, collection([...tenant.managedObjects.values()]))],
    ['POST', objects, ({ body }) => answers.json(201, tenant.addObject(objectOf(body)))],
    ['GET', externalId, ({ variables: [type = '', id = ''] }) => identityOf(tenant, type, id)],
  ];
}

function identityOf(tenant: Tenant, type: string, externalId: string): CloudAnswer {
  const id = tenant.objectIdByExternalId.get(`${type}/${externalId}`);
  if (id === undefined) return notFound(`external id ${type}/${externalId}`);
  return answers.json(200, { externalId, type, managedObject: { id } });
}

function objectRoutes({ tenant: { managedObjects } }: RouteOptions): Route[] {
  const object = /^\/inventory\/managedObjects\/([^/]+)$/;
  const missing = (id: string): CloudAnswer => notFound(`managed object ${id}`);
  const shown = (id: string): CloudAnswer =>
    managedObjects.has(id) ? answers.json(200, managedObjects.get(id)) : missing(id);
  const change = ({ body, variables: [id = ''] }: RouteCall): CloudAnswer => {
    const known = managedObjects.get(id);
    if (known !== undefined) managedObjects.set(id, { ...known, ...objectOf(body), id });
    return shown(id);
  };
  return [
    ['GET', object, ({ variables: [id = ''] }) => shown(id)],
    ['PUT', object, change],
    ['DELETE', object, ({ variables: [id = ''] }) => (managedObjects.delete(id) ? answers.status(204) : missing(id))],
  ];
}

function eventRoutes({ tenant }: RouteOptions): Route[] {
  const binaries = /^\/event\/events\/([^/]+)\/binaries$/;
  return [
    [
      'POST',
      /^\/event\/events\/?$/,
      ({ body }) => {
        const event = { ...objectOf(body), id: tenant.newId() };
        tenant.events.push(event);
        return answers.json(201, event);
      },
    ],
    ['GET', /^\/event\/events\/?$/, () => answers.json(200, { events: tenant.events })],
    [
      'POST',
      binaries,
      async ({ seen, body, variables: [eventId = ''] }) => {
        if (!tenant.events.some(({ id }) => id === eventId)) return notFound(`event ${eventId}`);
        const part = await filePart(seen.header('content-type') ?? '', body);
        if (part === undefined) return answers.json(422, { error: 'event/invalid', message: 'No part named "file".' });
        tenant.binaries.push({ eventId, ...part });
        return answers.json(201, { name: part.name, type: part.type, length: part.bytes, source: eventId });
      },
    ],
  ];
}

function enrolmentRoutes({ enrolment, tokens }: RouteOptions): Route[] {
  const deviceOf = ({ header }: SeenRequest): string | undefined =>
    tokens.deviceOf((header('authorization') ?? '').replace(/^bearer /i, ''));
  return [
    ['GET', /^\/\.well-known\/est\/cacerts$/, () => enrolment.authorities()],
    [
      'POST',
      /^\/\.well-known\/est\/simpleenroll$/,
      ({ seen, body }) => enrolment.enrol(seen.header('authorization') ?? '', body.text()),
    ],
    ['POST', /^\/\.well-known\/est\/simplereenroll$/, ({ seen, body }) => enrolment.renew(deviceOf(seen), body.text())],
  ];
}

function objectOf(body: WholeBody): Record<string, unknown> {
  const value: unknown = JSON.parse(body.text());
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function collection(managedObjects: readonly object[]): object {
  const statistics = { currentPage: 1, pageSize: managedObjects.length, totalPages: 1 };
  return { managedObjects, statistics };
}
