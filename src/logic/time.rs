//! Times as GitHub writes them: `2026-01-01T00:00:00Z` in JSON, `2026-01-01 00:00:00 UTC` in headers, and both with an offset.

use std::time::UNIX_EPOCH;

/// UTC seconds since 1970; `None` for what is no time, names no zone, or is before 1970.
pub fn seconds(text: &str) -> Option<i64> {
    let utc = text.strip_suffix('Z').or_else(|| text.strip_suffix(" UTC")).map(|local| (local, 0));
    let (local, offset) = utc.or_else(|| {
        let (local, zone) = text.split_at(text.rfind(['+', '-'])?);
        Some((local.strip_suffix(' ').unwrap_or(local), offset_seconds(zone)?))
    })?;
    // humantime takes more behind a `Z`.
    let time = humantime::parse_rfc3339_weak(&format!("{local}+00:00")).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(i64::try_from(since.as_secs()).ok()? - offset).filter(|seconds| *seconds >= 0)
}

/// `+02:00` or `+0200` → 7200.
fn offset_seconds(zone: &str) -> Option<i64> {
    let (sign, digits) = zone.split_at_checked(1)?;
    let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
    let below = |max: i64, text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number: &i64| digits && *number < max)
    };
    let seconds = below(24, hours)? * 3600 + below(60, minutes)? * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn all_that_github_writes_and_nothing_else() {
        let last = [
            "2026-12-31T23:59:59Z",
            "2026-12-31T23:59:59.987Z",
            "2026-12-31T23:59:59+00:00",
            "2027-01-01T01:59:59+02:00",
            "2026-12-31T18:29:59-05:30",
            "2026-12-31 23:59:59 UTC",
            "2026-12-31 18:59:59 -0500",
            "2027-01-01 01:59:59 +0200",
        ];
        for text in last {
            assert_eq!(seconds(text), Some(1_798_761_599), "{text}");
        }
        let none = "|soon|soon UTC|Z| UTC|-|+00:00|2026-12-31|2026-12-31T23:59:59|2026-13-31T23:59:59Z|2026-12-31T23:59:59ZZ\
                    |2026-12-31T23:59:59Z+00:00|2026-12-31T23:59:59+00:00+00:00|2026-12-31T23:59:59.+00:00Z\
                    |2026-12-31T23:59:59+2:00|2026-12-31T23:59:59+24:00|2026-12-31T23:59:59+00:60|2026-12-31T23:59:59+é0\
                    |2026-12-31T23:59:5é+02:00|2026-12-31T23:59:59++1:00|2026-12-31 23:59:59 -ab00|2026-12-31 23:59:59 +020\
                    |1969-01-01T00:00:00Z|1970-01-01T01:00:00+02:00";
        for text in none.split('|') {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
