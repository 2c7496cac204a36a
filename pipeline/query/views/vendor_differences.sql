-- Where another attendance system and Muster judge a check point differently, and where they agree: one row for each thing the
-- other system gave a verdict on.
--
-- Of a record that the vendor changed, the latest holds; a punch's details and its result are one check point. The vendor's verdict
-- is never taken over: it may rest on another schedule (plan_differs_min), another fence or another leave. Count by
-- time_difference and place_difference to see where the two part, then read the rows. What the vendor left without a verdict
-- (its invalid records, time clocks) is in vendor_records only.
--
--   vendor            dingtalk, wecom or feishu
--   employee_id       whose
--   business_date     the day it counts for: our shift's, else the vendor's
--   direction         in or out: which end of a shift; the vendor's word, else ours; null if neither says
--   vendor_id         the vendor's id of the record
--   event_id          our punch, where the record speaks of one
--   shift_id          our shift: that of the punch, else that person's nearest one of the vendor's day, or around the time its
--                     schedule names where it tells no day; null if there is none
--   final             whether our shift's window has closed and settled; until then ours may change
--   punched_at        when the person punched, by the vendor
--   their_plan        when the vendor's schedule wanted the punch
--   our_plan          when our shift wants it
--   plan_differs_min  minutes from our_plan to their_plan
--   their_result      on_time, late, serious_late, late_as_absent, early, missing, not_due; other where the word is not known
--   our_result        the same of ours; leave or cancelled where the shift is
--   their_min         whole minutes late or early by the vendor's times; null where it told none
--   our_min           late_min or early_min of our shift
--   time_difference   agree; minutes_differ; tier_differs (both late, of another degree); they_X_we_Y; no_shift_here; no_punch_here
--                     (the record is not in punches); not_comparable; null where the vendor judged the place only
--   their_place       inside or outside, by the vendor
--   our_place         the verdict of our punch
--   place_difference  agree, they_inside_we_outside, they_outside_we_inside, we_cannot_tell; null where one has no verdict
--   supplement        what the vendor says replaced or excused the punch
--   risk              what the vendor suspects; no proof of anything
--   business_month    the month of the vendor's record
WITH newest_of_record AS (
  SELECT *, row_number() OVER (
    PARTITION BY vendor, employee_id, coalesce(vendor_id, event_id, record_id)
    ORDER BY modified_at DESC NULLS LAST, imported_at DESC, record_id
  ) AS newest
  FROM vendor_records
  WHERE (time_result IS NOT NULL OR place_result IS NOT NULL) AND (no_punch IS NULL OR no_punch <> 'replay')
),
said AS (
  SELECT *, row_number() OVER (
    PARTITION BY vendor, employee_id, coalesce(event_id, vendor_id, record_id), direction
    ORDER BY CASE WHEN no_punch = 'result' THEN 0 ELSE 1 END, vendor_id, record_id
  ) AS one
  FROM newest_of_record
  WHERE newest = 1
),
with_punch AS (
  SELECT
    said.vendor, said.employee_id, said.business_date, said.vendor_id, said.event_id, said.record_id, said.occurred_at, said.planned_at,
    said.base_at, said.time_result, said.place_result, said.supplement, said.risk, said.business_month,
    coalesce(said.direction, CASE WHEN p.direction IN ('in', 'out') THEN p.direction END) AS direction,
    p.event_id IS NOT NULL AS is_here, p.shift_id, p.place
  FROM said LEFT JOIN punches p ON p.employee_id = said.employee_id AND p.event_id = said.event_id
  WHERE said.one = 1
),
with_shifts AS (
  SELECT
    v.*, r.shift_id AS our_shift, r.business_date AS our_date, r.final, r.status, r.late_min, r.early_min, r.missing_in, r.missing_out,
    array_has(r.reasons, 'late_as_absent') AS is_late_as_absent,
    CASE WHEN v.direction = 'in' THEN r.planned_start WHEN v.direction = 'out' THEN r.planned_end END AS our_plan,
    row_number() OVER (
      PARTITION BY v.vendor, v.record_id
      ORDER BY
        CASE WHEN v.event_id = CASE WHEN v.direction = 'in' THEN r.in_event_id ELSE r.out_event_id END THEN 0
             WHEN r.shift_id = v.shift_id THEN 1 ELSE 2 END,
        abs(extract(EPOCH FROM coalesce(v.planned_at, v.base_at, v.occurred_at))
          - extract(EPOCH FROM CASE WHEN v.direction = 'out' THEN r.planned_end ELSE r.planned_start END)),
        r.shift_id
    ) AS nearest
  FROM with_punch v
  LEFT JOIN latest_shift_results r
    ON r.employee_id = v.employee_id
    AND (
      r.shift_id = v.shift_id OR r.business_date = v.business_date
      -- WeCom tells no day: a shift that is on, or less than six hours away, when its schedule wants the punch.
      OR (v.business_date IS NULL
        AND v.planned_at BETWEEN r.planned_start - INTERVAL '6 hours' AND r.planned_end + INTERVAL '6 hours')
    )
),
judged AS (
  SELECT
    *,
    CASE
      WHEN time_result IS NULL THEN NULL
      WHEN time_result IN ('Normal', '') THEN 'on_time'
      WHEN time_result = 'Late' THEN 'late'
      WHEN time_result = 'SeriousLate' THEN 'serious_late'
      WHEN time_result = 'Absenteeism' THEN 'late_as_absent'
      WHEN time_result = 'Early' THEN 'early'
      WHEN time_result IN ('NotSigned', 'Lack', '未打卡') THEN 'missing'
      WHEN time_result IN ('NoNeedCheck', 'Todo') THEN 'not_due'
      WHEN time_result = '时间异常' AND direction = 'in' THEN 'late'
      WHEN time_result = '时间异常' AND direction = 'out' THEN 'early'
      ELSE 'other'
    END AS their_result,
    CASE
      WHEN our_shift IS NULL OR direction IS NULL THEN NULL
      WHEN status IN ('leave', 'cancelled') THEN status
      WHEN direction = 'in' THEN CASE
        WHEN missing_in THEN 'missing'
        WHEN is_late_as_absent THEN 'late_as_absent'
        WHEN status = 'serious_late' THEN 'serious_late'
        WHEN late_min > 0 THEN 'late'
        ELSE 'on_time' END
      ELSE CASE WHEN missing_out THEN 'missing' WHEN early_min > 0 THEN 'early' ELSE 'on_time' END
    END AS our_result,
    CASE
      WHEN occurred_at IS NULL OR direction IS NULL OR coalesce(base_at, planned_at) IS NULL THEN NULL
      WHEN direction = 'in' THEN greatest(0, CAST(floor(
        (extract(EPOCH FROM date_trunc('minute', occurred_at)) - extract(EPOCH FROM coalesce(base_at, planned_at))) / 60) AS BIGINT))
      ELSE greatest(0, CAST(floor(
        (extract(EPOCH FROM coalesce(base_at, planned_at)) - extract(EPOCH FROM occurred_at)) / 60) AS BIGINT))
    END AS their_min,
    CASE WHEN direction = 'in' THEN late_min WHEN direction = 'out' THEN early_min END AS our_min,
    CASE
      WHEN place_result IN ('Normal', '') THEN 'inside'
      WHEN place_result IS NULL OR place_result = 'NotSigned' THEN NULL
      WHEN place_result IN ('Outside', '地点异常', 'wifi异常', '地点异常;wifi异常', 'wifi异常;地点异常') THEN 'outside'
    END AS their_place
  FROM with_shifts
  WHERE nearest = 1
)
SELECT
  vendor, employee_id, coalesce(our_date, business_date) AS business_date, direction, vendor_id, event_id, our_shift AS shift_id, final,
  occurred_at AS punched_at, coalesce(planned_at, base_at) AS their_plan, our_plan,
  CAST(round((extract(EPOCH FROM coalesce(planned_at, base_at)) - extract(EPOCH FROM our_plan)) / 60) AS BIGINT) AS plan_differs_min,
  their_result, our_result, their_min, our_min,
  CASE
    WHEN their_result IS NULL THEN NULL
    WHEN event_id IS NOT NULL AND NOT is_here THEN 'no_punch_here'
    WHEN our_shift IS NULL THEN 'no_shift_here'
    WHEN direction IS NULL OR their_result = 'other' THEN 'not_comparable'
    WHEN their_result = our_result AND our_result IN ('late', 'serious_late', 'late_as_absent', 'early') AND their_min <> our_min
      THEN 'minutes_differ'
    WHEN their_result = our_result THEN 'agree'
    WHEN their_result IN ('late', 'serious_late', 'late_as_absent') AND our_result IN ('late', 'serious_late', 'late_as_absent')
      THEN 'tier_differs'
    ELSE concat('they_', their_result, '_we_', our_result)
  END AS time_difference,
  their_place, place AS our_place,
  CASE
    WHEN their_place IS NULL OR place IS NULL THEN NULL
    WHEN their_place = place THEN 'agree'
    WHEN place IN ('inside', 'outside') THEN concat('they_', their_place, '_we_', place)
    ELSE 'we_cannot_tell'
  END AS place_difference,
  supplement, risk, business_month
FROM judged
