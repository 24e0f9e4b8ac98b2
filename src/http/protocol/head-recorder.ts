import type { ResponseHead } from '../port/recording.js'
import { codingsFor } from '../rules/encodable.js'
import type { Storable } from '../rules/storable.js'
import { keyByRule } from '../store/no-vary-search-index.js'
import { type RecordedHead, recordHead, withTagField } from '../store/recorded-response.js'
import { NO_NAMES, PER_RUN_FIELDS, type RouteFields, routeFields } from '../store/route-fields.js'
import type { StoredHead } from '../store/stored-head.js'
import type { ContentCoding } from '../syntax/content-coding.js'
import { fieldValue } from '../syntax/fields.js'
import type { JudgedRun, RecordedJudgement } from './recorded-judgement.js'
import type { ResponseWriter } from './response-writer.js'
import type { RouteSay } from './route-say.js'

/** The inputs for recording a response head. */
interface HeadToRecord {
  readonly line: Pick<ResponseHead, 'status' | 'reason'>
  readonly route: RouteFields
  readonly storable: Storable
  readonly receivedAt: number
  /** Selecting fields in addition to those of Vary, the options and the inputs of the run. */
  readonly selecting: readonly string[]
  /** The body, if it is already known and needs an entity tag. */
  readonly body?: Buffer | undefined
}

/** Records the head of a response, by the options of its route and by what the run has read. */
export class HeadRecorder {
  readonly #run: JudgedRun
  readonly #judgement: RecordedJudgement
  readonly #say: RouteSay
  readonly #writer: ResponseWriter
  /** The content codings that the stored response will be encoded with. */
  codings: readonly ContentCoding[] = NO_CODINGS

  constructor(run: JudgedRun, judgement: RecordedJudgement, say: RouteSay, writer: ResponseWriter) {
    this.#run = run
    this.#judgement = judgement
    this.#say = say
    this.#writer = writer
  }

  /** The fields of a response that its route made. */
  routeOf(head: ResponseHead): RouteFields {
    const { storage, dropPerRun } = this.#run.policy
    const control = ['cache-control', 'expires', 'no-vary-search', ...storage.targets]
    return routeFields(head, control, dropPerRun ? PER_RUN_FIELDS : NO_NAMES)
  }

  /** Records a head that may be stored. */
  record({ line, route, storable, receivedAt, selecting, body }: HeadToRecord): RecordedHead {
    const { request, search, nested, tally } = this.#run.of
    const { policy, handle } = this.#run
    const { exactVary, maxVariants } = policy
    const { observed } = this.#judgement
    const vary = joined(policy.vary, joined(selecting, observed))
    const tags = joined(handle.tags, this.#say.tags())
    const cost = Math.round(tally.took * 10) / 10
    this.codings = this.#codingsOf(line.status, route, storable, body)
    const key = search === undefined ? this.#run.of.key : keyByRule(search, route.deciding)
    // biome-ignore format: one name a line says no more
    return this.#telling(recordHead({
      request, observed, key, head: line, route, storable, receivedAt, cost, body,
      vary, exactVary, maxVariants, tags, nested, routePattern: tally.route,
    }))
  }

  /** With tags that the route has named later; the stored fields may change with them. */
  withTags(
    recorded: RecordedHead,
    head: StoredHead,
    tags: readonly string[],
  ): { readonly recorded: RecordedHead; readonly head: StoredHead } {
    if (tags.length === 0) return { recorded, head }
    const tagged = { ...recorded, tags: [...new Set([...recorded.tags, ...tags])] }
    const { fields } = this.#telling(tagged).stored
    return {
      recorded: tagged,
      head: { ...head, fields: [...fields, ...head.fields.slice(recorded.stored.fields.length)] },
    }
  }

  /** With the field of `emitTags`, if that is set. */
  #telling(recorded: RecordedHead): RecordedHead {
    const { emitTags } = this.#run.policy
    if (emitTags === undefined || recorded.tags.length === 0) return recorded
    const told = withTagField(recorded, emitTags)
    if (told.omitted.length > 0)
      this.#writer.parts.reports.warn('omitted-tags', (texts) =>
        texts.omittedTags(this.#run.of.request.url, emitTags, told.omitted),
      )
    return told.recorded
  }

  #codingsOf(
    status: number,
    route: RouteFields,
    storable: Storable,
    body: Buffer | undefined,
  ): readonly ContentCoding[] {
    const { precompress } = this.#run.policy
    if (precompress === undefined) return NO_CODINGS
    const announced = body?.length ?? fieldValue(route.fields, 'content-length')
    const length = announced === undefined ? undefined : Number(announced)
    return codingsFor(precompress, { status, fields: route.deciding, control: storable.by.control, length })
  }
}

/** A list of both; never the first list itself, which may be added to. */
function joined(one: readonly string[], other: readonly string[]): readonly string[] {
  return one.length === 0 ? other : [...one, ...other]
}

const NO_CODINGS: readonly ContentCoding[] = Object.freeze([])
