import type { Rule } from '../rule.js'
import { codingRules } from './codings.js'
import { directiveRules } from './directives.js'
import { extensionRules } from './extensions.js'
import { freshnessRules } from './freshness.js'
import { invalidationRules } from './invalidation.js'
import { rangeRules } from './ranges.js'
import { reuseRules } from './reuse.js'
import { semanticsRules } from './semantics.js'
import { storingRules } from './storing.js'
import { validationRules } from './validation.js'

/** The table of requirements. */
export const allRules: readonly Rule[] = [
  ...storingRules,
  ...reuseRules,
  ...freshnessRules,
  ...validationRules,
  ...invalidationRules,
  ...directiveRules,
  ...semanticsRules,
  ...rangeRules,
  ...codingRules,
  ...extensionRules,
]
