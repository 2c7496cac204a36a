-- Every site that was ever known, as the newest snapshot that holds it describes it.
--
--   site_id            the site
--   org                its org
--   name               what people call it
--   time_zone          the zone of its wall clock
--   lon                longitude of its circle's centre, WGS-84; null for a polygon
--   lat                latitude of its circle's centre, WGS-84; null for a polygon
--   radius_m           its circle's radius; null for a polygon
--   tolerance_m        its own tolerance; null = the policy's
--   access_points      how many access points it lists, a block as one
--   valid_from         when it began to count; null = always did
--   valid_to           when it no longer counts; null = open end
--   terminals          devices that stand there
--   reference_version  the snapshot this description is from
--   taken_at           when that snapshot was taken
SELECT site_id, org, name, time_zone, lon, lat, radius_m, tolerance_m, access_points, valid_from, valid_to, terminals, reference_version, taken_at
FROM (
  SELECT *, row_number() OVER (PARTITION BY site_id ORDER BY taken_at DESC, reference_version DESC) AS newest
  FROM sites
)
WHERE newest = 1
