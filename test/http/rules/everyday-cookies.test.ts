import { describe, expect, it } from 'vitest'
import { credentialsOf } from '../../../src/http/rules/credentials.js'
import { isEverydayCookie } from '../../../src/http/rules/everyday-cookies.js'
import { APPLICATION_STORAGE } from '../../../src/http/rules/storage-policy.js'

describe('everyday cookies', () => {
  it.each([
    ...['_ga_ABC123', '_hjSession_123', '__cf_bm', 'aws-waf-token', '__stripe_sid', 'intercom-session-abc'],
    ...['crisp-client%2Fsession%2Fabc', 'didomi_token', 'rl_session', 'rbzsessionid', 's_sess', 'euconsent-v2'],
    ...['AMP_TOKEN', 'analytics_session_id', '_parsely_session', 'atauthority', 'wt3_sid', 'TCSESSION', 'TAsessionID'],
    ...['_dyjsession', 'ConstructorioID_session_id', '_tb_sess_r'],
    ...['_gd_session', '_biz_sid', 'ab.storage.sessionId.d1', '__attentive_session_id', 'calltrk_session_id'],
    ...['invoca_session', '__uid2_advertising_token', 'QSI_HistorySession', 'QuantumMetricSessionID', '__insp_sid'],
    ...['kampyleUserSession', 'SL_C_23361dd035530_SID', '_pendo_sessionId.k', 'forterToken'],
    ...['heroku-session-affinity', 'f5avr0123456789aaaaaaaaaaaaaaaa_session_', 'sticky-session', 'AWSALBAPP-0'],
    ...['ROUTEID', '_splunk_rum_sid', 'raygun4js-sid', 'driftt_sid', 'PIWIK_SESSID'],
    ...[
      '__oauth_redirect_detector',
      'mboxSession',
      '__hssc',
      'AWSALBTGCORS',
      'incap_ses_1',
      'ABTastySession',
      '_dd_s',
      'MATOMO_SESSID',
    ],
  ])('%s keeps nothing from the cache', (name) => {
    expect(isEverydayCookie(name)).toBe(true)
    expect(credentialsOf({ cookie: `${name}=x` }, APPLICATION_STORAGE)).toEqual([])
  })

  it.each([
    'sid',
    'x_ga',
    'my-aws-waf-token',
    'session',
    'uc_session',
    'rl_session_token',
    'auth',
    'my_biz_session',
    '_biz_session',
    '_tb_token_',
    'AWSELBAuthSessionCookie-0',
  ])('%s is none', (name) => expect(isEverydayCookie(name)).toBe(false))

  it.each([
    ['theme=s%3Adark.c2lnbmF0dXJl'],
    ['theme=s:dark.c2lnbmF0dXJl'],
    ['theme=dark; theme.sig=c2lnbmF0dXJl'],
    ['__prerender_bypass=1'],
    ['__next_preview_data=1'],
    ['ghost-members-ssr=ann%40example.org; ghost-members-ssr.sig=x'],
    ['ghost-members-ssr=ann%40example.org'],
  ])('%s says who is asking', (cookie) => {
    expect(credentialsOf({ cookie }, APPLICATION_STORAGE)).toEqual(['cookie'])
  })

  it('are matched in linear time', () => {
    const start = performance.now()
    for (const name of ['_ga_', 'mp_', '_hj', 'amp_', '__cf']) isEverydayCookie(name + 'a'.repeat(200_000))
    expect(performance.now() - start).toBeLessThan(200)
  })
})
