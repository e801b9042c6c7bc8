/**
 * The ordered steps of every request: header, API by key, version, body, cluster authorization,
 * handler, record of what was refused, answer.
 *
 * Invariants: a request that cannot be understood closes the connection and is recorded; an answer
 * that contains a refusal leaves only when the refusal is on stable storage; an exception becomes
 * an error code in one place, and its details stay in our own log. While the audit log cannot be
 * written, nothing that needs a decision is served. The way stays synchronous unless
 * the handler suspends, so that a small Produce costs no promise. A handler that lacks a decision
 * which is asked for outside has made a draft (draft-context.ts): it runs again, from the frame.
 */
import { KafkaError, ProtocolError, StorageError, UpstreamError } from '../base/errors.ts';
import type { Answer } from '../network/connection.ts';
import { ApiKey, apiName } from '../protocol/api-keys.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import {
  decodeRequest,
  decodeRequestHeader,
  encodeResponse,
  type RequestHeader,
} from '../protocol/headers.ts';
import { answerPause } from './answer-pause.ts';
import { unsupportedVersions } from './apis/18-api-versions.ts';
import { servedApi } from './apis/index.ts';
import type { ApiDefinition } from './define-api.ts';
import { DraftAnswers, DraftContext, UndecidedError } from './draft-context.ts';
import { RequestContext, type ServerServices } from './request-context.ts';
import type { Session } from './session.ts';
import { WorkTime } from './work-time.ts';

type Outcome = unknown | null | 'close';

/** As the answer can say it. */
const THROTTLE_MS_MAX = 2 ** 31 - 1;

/** One request, kept until it is answered: a draft begins again from here. */
interface Call {
  readonly session: Session;
  readonly frame: Buffer;
  readonly header: RequestHeader;
  readonly api: ApiDefinition;
  readonly ordered: () => void;
  /** What was asked for outside so far; null where nothing is. */
  readonly answers: DraftAnswers | null;
  readonly work: WorkTime;
}

export class RequestPipeline {
  readonly #services: ServerServices;

  constructor(services: ServerServices) {
    this.#services = services;
  }

  /**
   * Handles one frame (without its size). Throws ProtocolError where the connection must close;
   * `ordered` is called once a later Produce of the connection may begin.
   */
  handle(session: Session, frame: Buffer, ordered: () => void): Answer | Promise<Answer> {
    const header = decodeRequestHeader(frame, 0, frame.length);
    session.deviceMeter.request(header.clientId);
    const api = servedApi(header.apiKey);
    if (api === undefined) throw new ProtocolError(`API key ${header.apiKey} is not served`);
    const { min, max } = api.versions;
    if (header.apiVersion < min || header.apiVersion > max) {
      if (api.key === ApiKey.ApiVersions) return this.#unsupported(session, frame, header, ordered);
      throw new ProtocolError(
        `${apiName(api.key)} version ${header.apiVersion} is outside ${min}-${max}`,
      );
    }
    if (session.reauthentication?.isUnderWay === true && api.key !== ApiKey.SaslAuthenticate) {
      throw new ProtocolError(`${apiName(api.key)} while the login is renewed`);
    }
    const isAsked = this.#services.authorizer.outside?.concerns(session.principal.tenant) === true;
    const answers = isAsked ? new DraftAnswers() : null;
    const work = new WorkTime(this.#services.clock);
    return this.#begin({ session, frame, header, api, ordered, answers, work });
  }

  /** KIP-511: answered in version 0, with our range, and the connection stays open. */
  #unsupported(
    session: Session,
    frame: Buffer,
    header: RequestHeader,
    ordered: () => void,
  ): Answer {
    const identity = { apiName: apiName(header.apiKey), ...header };
    const ctx = new RequestContext(session, this.#services, identity, ordered);
    const throttle = this.#services.quotas.settle(ctx, frame.length);
    const answer = unsupportedApiVersions(header);
    if (throttle === null) return answer;
    return { ...answer, muteMs: throttle.ms, stillMuteMs: throttle.waitMs };
  }

  #begin(call: Call): Answer | Promise<Answer> {
    const { api, header, frame } = call;
    call.work.resume();
    const ctx = this.#contextOf(call);
    ctx.work = call.work;
    const answer = this.#run(call, ctx, bodyOf(api, header, frame));
    call.work.pause();
    return answer;
  }

  #contextOf({ session, header, api, ordered, answers }: Call): RequestContext {
    const services = this.#services;
    const identity = { apiName: apiName(api.key), ...header };
    const { outside } = services.authorizer;
    if (answers === null || outside === undefined) {
      return new RequestContext(session, services, identity, ordered);
    }
    return new DraftContext({ session, services, ordered }, identity, outside, answers);
  }

  #run(call: Call, ctx: RequestContext, request: unknown): Answer | Promise<Answer> {
    const { api, header } = call;
    let outcome: Outcome | Promise<Outcome>;
    try {
      const { authorization } = api;
      if (authorization.stance !== 'none' && !this.#services.audit.healthy) {
        // Nothing can be recorded, so nothing is decided: an error that clients retry.
        outcome = api.fail(request, ErrorCode.KAFKA_STORAGE_ERROR, header.apiVersion);
      } else if (
        authorization.stance === 'cluster' &&
        !ctx.authorizeCluster(authorization.operation)
      ) {
        const refused = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
        outcome = ctx.undecided ? null : api.fail(request, refused, header.apiVersion);
      } else {
        outcome = api.handle(ctx, request);
      }
    } catch (error) {
      outcome = this.#failed(call, ctx, error);
    }
    if (outcome instanceof Promise) {
      return outcome
        .catch((error: unknown) => this.#failed(call, ctx, error))
        .then((settled) => {
          call.work.resume();
          const answer = this.#answer(call, ctx, settled);
          call.work.pause();
          return answer;
        });
    }
    return this.#answer(call, ctx, outcome);
  }

  #answer(call: Call, ctx: RequestContext, outcome: Outcome): Answer | Promise<Answer> {
    if (ctx.undecided) return this.#again(call, ctx);
    const concluding = ctx.conclude();
    if (concluding !== undefined) {
      return concluding.then(() => this.#recorded(call, ctx, outcome));
    }
    return this.#recorded(call, ctx, outcome);
  }

  /** An answer that contains a refusal waits for its record. */
  #recorded(call: Call, ctx: RequestContext, outcome: Outcome): Answer | Promise<Answer> {
    if (typeof outcome === 'object' && outcome !== null) {
      this.#services.metrics.api(call.api.key).countErrors(outcome);
    }
    if (ctx.unrecorded) {
      return ctx.recorded().then(
        () => this.#encode(call, ctx, outcome),
        (error: unknown) => {
          this.#services.logger.error(
            { err: error, api: ctx.apiName },
            'a refusal could not be recorded: its connection is closed',
          );
          return 'close' as const;
        },
      );
    }
    return this.#encode(call, ctx, outcome);
  }

  /**
   * What it used is charged now. A quota that is passed stands in the answer, then the pause; the
   * pace of refusals makes a pause of its own, of which the answer tells nothing.
   */
  #encode({ api, header, frame }: Call, ctx: RequestContext, outcome: Outcome): Answer {
    const { quotas, clock } = this.#services;
    const throttle = quotas.settle(ctx, frame.length);
    const pause = answerPause(throttle, ctx.paceMs(), clock);
    // Hanging up on it makes nothing of what it used undone.
    if (outcome === 'close') return 'close';
    if (throttle !== null && outcome !== null) {
      const { throttleTimeMs = 0 } = outcome as { throttleTimeMs?: number };
      const ms = Math.min(THROTTLE_MS_MAX, Math.max(throttleTimeMs, throttle.ms));
      (outcome as { throttleTimeMs?: number }).throttleTimeMs = ms;
    }
    return { frame: encode(api, header, outcome), ...pause };
  }

  /** The outcome was a draft. It is thrown away, and what it lacked is asked for. */
  async #again(call: Call, ctx: RequestContext): Promise<Answer> {
    const { closing } = call.session;
    if (!closing.aborted) await ctx.askMissing();
    return closing.aborted ? 'close' : this.#begin(call);
  }

  /** The one place where a throwable becomes an error code. */
  #failed({ api, header, frame }: Call, ctx: RequestContext, error: unknown): Outcome {
    if (error instanceof ProtocolError) throw error;
    if (error instanceof UndecidedError) return null; // A draft: no outcome is needed.
    const errorCode = errorCodeOf(error);
    if (!(error instanceof KafkaError)) {
      const { tenant, principal, connectionId } = ctx.session.subject;
      this.#services.logger.error(
        {
          err: error,
          api: ctx.apiName,
          apiVersion: ctx.apiVersion,
          tenant,
          principal,
          connectionId,
        },
        'a request failed',
      );
    }
    // As it came: the handler may have taken things out of its request, and the tenant's view of
    // the engine has put physical names into it.
    return api.fail(bodyOf(api, header, frame), errorCode, ctx.apiVersion);
  }
}

export function errorCodeOf(error: unknown): number {
  if (error instanceof KafkaError) return error.errorCode;
  if (error instanceof StorageError) return ErrorCode.KAFKA_STORAGE_ERROR;
  if (error instanceof UpstreamError) return ErrorCode.BROKER_NOT_AVAILABLE;
  return ErrorCode.UNKNOWN_SERVER_ERROR;
}

function bodyOf({ key }: ApiDefinition, header: RequestHeader, frame: Buffer): unknown {
  return decodeRequest(key, header.apiVersion, frame, header.bodyOffset, frame.length);
}

function encode(
  api: ApiDefinition,
  header: RequestHeader,
  outcome: unknown,
): readonly Buffer[] | null {
  if (outcome === null) return null;
  const { apiVersion, correlationId } = header;
  const body = outcome as Record<string, unknown>;
  return encodeResponse({ apiKey: api.key, apiVersion, correlationId, body });
}

function unsupportedApiVersions({ correlationId }: RequestHeader): Exclude<Answer, 'close'> {
  const { ApiVersions: apiKey } = ApiKey;
  const body = unsupportedVersions();
  return { frame: encodeResponse({ apiKey, apiVersion: 0, correlationId, body }), muteMs: 0 };
}
