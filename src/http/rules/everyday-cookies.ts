/**
 * Cookies of common analytics, advertising, consent, chat, payment and protection services. Every visitor has them, and
 * they do not tell the application who is logged in, even if their names suggest it. Matched against the whole name.
 */
const EVERYDAY_COOKIES: readonly string[] = [
  // Google Analytics and Ads
  '_ga(_.*)?|_gid|_gat.*|_gcl_.*|_dc_gtm_.*|_gac_.*|__utm[a-z]*|FPID|FPLC|FPAU|__gads|__gpi|_opt_.*',
  // Hotjar
  '_hj.*',
  // Matomo
  '_?pk_.*|_?mtm_.*|(MATOMO|PIWIK)_SESSID',
  // Meta
  '_fb[pc]',
  // Microsoft
  '_uet[a-z]id|_clck|_clsk|MUID|ai_(session|user)',
  // Pinterest, Snapchat, TikTok, LinkedIn, X
  '_pin_unauth|_pinterest_.*|_scid.*|_sctr|_ttp|_tt_.*|li_fat_id|_twpid|_rdt_uuid',
  // Amplitude, Mixpanel, Segment, RudderStack, PostHog, Heap
  '(amp|AMP)_.*|analytics_session_id.*|amplitude_.*|mp_.*_mixpanel|ajs_.*|rl_(session|(user|anonymous|group)_id|(group_)?trait|page_init_.*)|ph_.*_posthog|_hp2_.*',
  // Adobe Analytics
  's_(sess|pers|cc|sq|vi|fid|nr|ppvl?|ecid|tp|ips|pltp?|getNewRepeat)|AMCVS?_.*|mbox(Session)?|demdex|kndctr_.*',
  // Optimizely, VWO, AB Tasty, Convert
  'optimizely.*|_vwo.*|_vis_opt_.*|ABTasty(Session)?|_conv_[a-z]',
  // Constructor, Dynamic Yield
  'ConstructorioID_.*|_dyjsession',
  // AT Internet, Commanders Act, Parse.ly, Webtrekk
  'at(session|authority)|TCSESSION|_parsely_(session|visitor)|wt3_.*',
  // 6sense, Attentive, Bizible, Braze, CallRail, Invoca, Taboola, Unified ID
  '_gd_session|__attentive_.*|_biz_sid|ab\\.storage\\..*|calltrk.*|invoca_session|taboola_session_id|_tb_sess_r|__e?uid2?_advertising_token',
  // Inspectlet, Medallia, Pendo, Qualtrics, Quantum Metric, Smartlook
  '__insp_.*|kampyle.*|_pendo_.*|QSI_.*|QuantumMetric.*|SL_C_.*',
  // HubSpot, Marketo, Pardot, Klaviyo
  '__hs[a-z]*|hubspotutk|_mkto_trk|visitor_id\\d+(-hash)?|__kla_id',
  // Cloudflare
  '__cf.*|cf_clearance|_cfuvid|cf_chl_.*',
  // AWS
  'aws-waf-token|AWSALB(TG)?(CORS)?|AWSALBAPP-\\d|AWSELB(CORS)?',
  // Other load balancers
  '(heroku-)?session[-_]affinity|sticky[-_]?session|ROUTEID|f5avr.*',
  // Imperva, Akamai, DataDome, PerimeterX, Reblaze
  'visid_incap_.*|incap_ses_.*|nlbi_.*|reese84|___utmv[a-z]*|_abck|ak_bmsc|bm_(sz|sv|mi|so|s|lso)|akavpau_.*|datadome|_px([23]|vid|de|ff_.*|hd)?|pxcts|rbz(session)?id',
  // Stripe, Forter
  '__stripe_(m|s)id|forterToken.*',
  // Intercom, Crisp, Drift, Zendesk, tawk.to, LiveChat
  'intercom-(session|id|device-id)-.*|crisp-client(/|%2[Ff]).*|driftt?_[a-z]id|drift_campaign_refresh|__zlcmid|_zendesk_(cookie|shared_session)|TawkConnectionTime|twk_.*|__lc2?_c[is]d|__oauth_redirect_detector',
  // Consent banners
  'didomi_token|euconsent(-v2)?|Optanon(Consent|AlertBoxClosed)|CookieConsent|cookieconsent_.*|cookie_?consent|cookieyes-.*|cky-.*|usercentrics.*|uc_(settings|user_interaction|tcf|ui_version|gcm)|borlabs-cookie|_iub_cs-.*|axeptio_.*|tarteaucitron|klaro|osano_consentmanager.*|notice_(preferences|gdpr_prefs|behavior)|TA(consent|session)ID|hs-consent|moove_gdpr_popup|cmplz_.*|consentUUID',
  // New Relic, Datadog, Sentry, Dynatrace, FullStory, LogRocket, Raygun, Splunk
  'raygun4js-.*|_splunk_rum_sid|NREUM|NRAGENT|_dd_s|dt(Cookie|SA|Latency|Pc|ValidationCookie)|rx(Visitor|vt)|fs_(uid|lua)|_lr_.*',
]

const EVERYDAY = new RegExp(`^(?:${EVERYDAY_COOKIES.join('|')})$`)

/** Whether a cookie name is listed in {@link EVERYDAY_COOKIES}. */
export function isEverydayCookie(name: string): boolean {
  return name.length <= 256 && EVERYDAY.test(name)
}
