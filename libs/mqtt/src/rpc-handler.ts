import 'reflect-metadata';
import { MessagePattern, RpcException, Transport } from '@nestjs/microservices';
import { Problem, type RpcContract } from '@sallyport/protocol';
import { ZodError, type z } from 'zod';

/**
 * Makes a method the handler of an RPC contract. The request is checked before the method sees it and the response
 * before it leaves. A `Problem` the method throws reaches the caller as that problem; any other fault is logged here
 * and reaches the caller as problem `internal`. A request may arrive twice, so the method must be idempotent.
 *
 * @example
 * ```ts
 * @RpcHandler(admitPeer)
 * admit(request: AdmissionRequest): Promise<AdmissionDecision> { … }
 * ```
 */
export function RpcHandler<Request extends z.ZodType, Response extends z.ZodType>(
  contract: RpcContract<Request, Response>,
) {
  type Method = (request: z.output<Request>) => z.input<Response> | Promise<z.input<Response>>;
  return <M extends Method>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<M>): void => {
    const method = descriptor.value;
    if (method === undefined) throw new TypeError(`RpcHandler belongs on a method; ${String(key)} is none.`);
    const handler = async function (this: unknown, data: unknown): Promise<unknown> {
      const request = accept(contract, data);
      const response = await outcome(() => method.call(this, request));
      // A response that breaks its contract is our fault: parse throws, Nest logs it, the caller sees "internal".
      return contract.response.parse(response);
    };
    // Guards and pipes set by decorators below this one stay with the method.
    for (const name of Reflect.getMetadataKeys(method))
      Reflect.defineMetadata(name, Reflect.getMetadata(name, method), handler);
    Object.assign(descriptor, { value: handler });
    MessagePattern(contract.pattern, Transport.MQTT)(target, key, descriptor);
  };
}

function accept<Request extends z.ZodType>(
  contract: RpcContract<Request, z.ZodType>,
  data: unknown,
): z.output<Request> {
  const request = contract.request.safeParse(data);
  if (request.success) return request.data;
  throw new RpcException(new Problem('invalid-request', describe(contract.pattern, request.error)));
}

/** Nest passes an RpcException to the transport as it is, and hides everything else. */
async function outcome<T>(run: () => T): Promise<Awaited<T>> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof Problem ? new RpcException(error) : error;
  }
}

function describe(pattern: string, error: ZodError): string {
  const issues = error.issues.map(({ path, message }) => `${path.join('.') || 'request'}: ${message}`);
  return `The request to ${pattern} breaks its contract: ${issues.join('; ')}.`;
}
