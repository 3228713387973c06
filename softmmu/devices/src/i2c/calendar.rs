//! Dates and decimal digits of real-time clocks.

/// Two decimal digits in a byte.
pub(super) fn bcd(n: i64) -> u8 {
    (((n / 10) << 4) | (n % 10)) as u8
}

/// The opposite of [`bcd`].
pub(super) fn unbcd(byte: u8) -> i64 {
    i64::from(byte >> 4) * 10 + i64::from(byte & 15)
}

/// Year, month and day of a day since 1970 (proleptic Gregorian, by 400-year eras from March on).
pub(super) fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The opposite of [`date`]; days beyond the month's end count on.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_there_and_back() {
        for day in [-1, 0, 58, 59, 789, 11_016, 11_017, 20_000, 47_540] {
            let (y, m, d) = date(day);
            assert_eq!(days(y, m, d), day);
        }
        assert_eq!(date(20_778), (2026, 11, 21));
    }
}
