import type { CoapRequest, CoapResponse, Method } from '@sallyport/coap-wire';
import { type CoapClient, connectCoap } from '@sallyport/coap-wire/testing';
import { decodeCbor, encodeCbor } from './cbor/cbor.js';
import { type Answer, answerOf, send } from './gateway-site.fixture.js';

const cbor = 10_000;
const observable = 3;

/** One resource of a device of the tests. */
export interface TestResource {
  value: unknown;
  readonly rt?: readonly string[];
  /** Default: it can be discovered and observed. */
  readonly bm?: number;
}

export interface TestDeviceOptions {
  readonly port: number;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly uuid: string;
  readonly owner: string;
  readonly accessToken: string;
  readonly resources?: Readonly<Record<string, TestResource>>;
  /** All resources can be observed together, as a batch of `/oic/res`. */
  readonly isBatch?: boolean;
  /** Answers of the device that are not as usual; undefined: as usual. */
  readonly unusual?: (request: CoapRequest) => Promise<CoapResponse | undefined> | CoapResponse | undefined;
}

/** An OCF device with resources, made of the same endpoint as the gateway. */
export class TestDevice implements AsyncDisposable {
  readonly resources: Map<string, TestResource>;
  /** What the gateway asked: `GET /light/1 observe=0`. */
  readonly asked: string[] = [];
  private readonly tokens = new Map<string, Buffer>();
  private sequence = 1;
  private client: CoapClient | undefined;

  private constructor(private readonly options: TestDeviceOptions) {
    this.resources = new Map(Object.entries(options.resources ?? {}));
  }

  static async signIn(options: TestDeviceOptions): Promise<TestDevice> {
    const device = new TestDevice(options);
    const { port, tls, uuid, owner, accessToken } = options;
    device.client = await connectCoap({ port, tls, handler: (request) => device.serve(request) });
    const session = { di: uuid, uid: owner, accesstoken: accessToken, login: true };
    const answer = await device.post('/oic/sec/session', session);
    if (answer.code !== '2.04') throw new Error(`sign-in: ${answer.code} ${answer.text}`);
    return device;
  }

  get endpoint(): CoapClient {
    if (this.client === undefined) throw new Error('the device is not connected');
    return this.client;
  }

  /** Publishes all its resources, or these. */
  async publish(hrefs = [...this.resources.keys()], ttl = 0): Promise<Answer> {
    return this.post('/oic/rd', { di: this.options.uuid, links: hrefs.map((href) => this.linkOf(href)), ttl });
  }

  post(path: string, body: unknown, method: Method = 'POST'): Promise<Answer> {
    return send(this.endpoint, path, body, { method });
  }

  async ask(method: Method, path: string, request: Partial<CoapRequest> = {}): Promise<Answer> {
    const { query, accept, etags, contentFormat, payload } = request;
    return answerOf(
      await this.endpoint.ask(path, {
        method,
        ...(query === undefined ? {} : { query }),
        ...(accept === undefined ? {} : { accept }),
        ...(etags === undefined ? {} : { etags }),
        ...(contentFormat === undefined ? {} : { contentFormat }),
        ...(payload === undefined ? {} : { payload }),
      }),
    );
  }

  /** Changes the value of a resource, and tells those who observe it. */
  change(href: string, value: unknown): void {
    const resource = this.resources.get(href);
    if (resource === undefined) throw new Error(`there is no ${href}`);
    resource.value = value;
    this.notify(href, value);
    if (this.options.isBatch === true) this.notify('/oic/res', [{ href, rep: value }]);
  }

  /** Sends these bytes as a value of a resource. */
  tell(href: string, payload: Buffer): void {
    const token = this.tokens.get(href);
    this.sequence += 1;
    if (token !== undefined)
      this.endpoint.notify(token, { code: '2.05', contentFormat: cbor, observe: this.sequence, payload });
  }

  /** The resource is gone, and whoever observes it is told. */
  lose(href: string): void {
    this.resources.delete(href);
    const token = this.tokens.get(href);
    if (token !== undefined) this.endpoint.notify(token, { code: '4.04' });
  }

  isObserved(href: string): boolean {
    return this.tokens.has(href);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endpoint[Symbol.asyncDispose]();
  }

  private notify(href: string, value: unknown): void {
    const token = this.tokens.get(href);
    this.sequence += 1;
    if (token !== undefined) this.endpoint.notify(token, { ...content(value), observe: this.sequence });
  }

  private linkOf(href: string): object {
    const { rt = ['oic.r.test'], bm = observable } = this.resources.get(href) ?? {};
    return { href, rt, if: ['oic.if.baseline'], p: { bm } };
  }

  private async serve(request: CoapRequest): Promise<CoapResponse> {
    const href = `/${request.path.join('/')}`;
    const query = request.query.length === 0 ? '' : `?${request.query.join('&')}`;
    const observe = request.observe === undefined ? '' : ` observe=${request.observe}`;
    this.asked.push(`${request.method} ${href}${query}${observe}`);
    const special = await this.options.unusual?.(request);
    if (special !== undefined) return special;
    if (href === '/oic/res') return this.answerList(request);
    const resource = this.resources.get(href);
    if (resource === undefined) return { code: '4.04' };
    return this.answerOne(request, href, resource);
  }

  private answerList(request: CoapRequest): CoapResponse {
    const { isBatch = false } = this.options;
    if (request.query.includes('if=oic.if.b')) {
      if (!isBatch) return { code: '4.00' };
      const batch = [...this.resources].map(([href, { value }]) => ({ href, rep: value }));
      return this.observed(request, '/oic/res', content(batch));
    }
    const itself = { href: '/oic/res', rt: ['oic.wk.res'], if: ['oic.if.ll', 'oic.if.b'], p: { bm: observable } };
    const links = [...this.resources.keys()].map((href) => this.linkOf(href));
    return content(isBatch ? [itself, ...links] : links);
  }

  private answerOne(request: CoapRequest, href: string, resource: TestResource): CoapResponse {
    switch (request.method) {
      case 'GET':
        return this.observed(request, href, content(resource.value));
      case 'DELETE':
        this.resources.delete(href);
        return { code: '2.02' };
      case 'POST':
      case 'PUT':
        if (request.query.includes('if=oic.if.create')) return { ...content({ href: `${href}/1` }), code: '2.01' };
        this.change(href, decodeCbor(request.payload));
        return { ...content(resource.value), code: '2.04' };
      default:
        return request.method satisfies never;
    }
  }

  private observed({ observe, token }: CoapRequest, href: string, response: CoapResponse): CoapResponse {
    if (observe === 1) this.tokens.delete(href);
    if (observe !== 0) return response;
    this.tokens.set(href, token);
    return { ...response, observe: this.sequence };
  }
}

function content(value: unknown): CoapResponse {
  return { code: '2.05', contentFormat: cbor, payload: encodeCbor(value) };
}
