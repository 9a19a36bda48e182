import {
  type AdminRoute,
  actorHeader,
  connectorDraft,
  connectorRoutes,
  describeConnectors,
  savedConnector,
} from '@sallyport/protocol';
import { type CertificateOptions, TestCa } from '@sallyport/testkit';
import { z } from 'zod';
import { RegistryUnderTest } from '../registry.fixture.js';

/** Begin and end that fit the clock of the registry under test. */
export const validNow = { notBefore: new Date('2026-05-01T00:00:00Z'), notAfter: new Date('2027-05-01T00:00:00Z') };

interface Request {
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly ifMatch?: string;
}

const problem = z.object({ type: z.string(), detail: z.string() });

/** An administrator of a registry under test. */
export class ConnectorAdmin {
  constructor(
    private readonly registry: RegistryUnderTest,
    private readonly name: string,
  ) {}

  /** Asks for an operation of connector `default`, and reads the answer with its schema. */
  async call<Schema extends z.ZodType>(
    route: AdminRoute & { readonly response: Schema },
    request: Request = {},
  ): Promise<z.output<Schema>> {
    const { status, body } = await this.send(route, request);
    if (status >= 400) throw new Error(`${route.path} answered ${status}: ${JSON.stringify(body)}`);
    return route.response.parse(body);
  }

  /** Status and detail of a request that is refused. */
  async refusal(route: AdminRoute, request: Request = {}): Promise<string> {
    const { status, body } = await this.send(route, request);
    return `${status} ${problem.parse(body).detail}`;
  }

  async send({ method, path }: AdminRoute, { params = {}, body, ifMatch }: Request) {
    const values: Readonly<Record<string, string>> = { name: 'default', ...params };
    return this.registry.inject({
      method,
      url: path.replaceAll(/:(\w+)/g, (_, name: string) => values[name] ?? ''),
      headers: { [actorHeader]: this.name, ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) },
      ...(body === undefined ? {} : { payload: body }),
    });
  }

  draft(): Promise<z.output<typeof connectorDraft>> {
    return this.call(connectorRoutes.showDraft);
  }

  addCa(certPem: string, options: object = {}): Promise<z.output<typeof connectorDraft>> {
    return this.call(connectorRoutes.addClientCa, { body: { certificate: { text: certPem }, ...options } });
  }

  /** Saves the draft as it is now. */
  async save(): Promise<z.output<typeof savedConnector>> {
    const { etag } = await this.draft();
    return this.call(connectorRoutes.saveDraft, { ifMatch: etag });
  }
}

/** A registry, its administrators, and CAs of the tests. */
export class ConnectorsUnderTest {
  private readonly authorities: TestCa[] = [];
  readonly alice: ConnectorAdmin;
  readonly bob: ConnectorAdmin;

  private constructor(readonly registry: RegistryUnderTest) {
    this.alice = new ConnectorAdmin(registry, 'alice');
    this.bob = new ConnectorAdmin(registry, 'bob');
  }

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<ConnectorsUnderTest> {
    return new ConnectorsUnderTest(await RegistryUnderTest.start(environment));
  }

  async authority(options: CertificateOptions = {}): Promise<TestCa> {
    const authority = await TestCa.create({ ...validNow, ...options });
    this.authorities.push(authority);
    return authority;
  }

  /** What a listener of devices is told. */
  directory() {
    return this.registry.ask(describeConnectors, {});
  }

  async stop(): Promise<void> {
    await this.registry.stop();
    for (const authority of this.authorities) await authority[Symbol.asyncDispose]();
  }
}
