"""What an expression may use: scalar functions that give the same answer every time and touch nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPERATORS = frozenset({
    "+", "-", "*", "/", "//", "%", "**", "^", "||", "&", "|", "~", "<<", ">>", "!", "@",
    "~~", "!~~", "~~*", "!~~*", "~~~", "^@",
})  # fmt: skip

ARITHMETIC = frozenset({"+", "-", "*", "//", "%", "**", "^", "mod", "pow", "power", "abs"})
DIVISIONS = frozenset({"/", "//", "%", "mod", "fmod", "fdiv", "divide"})

FUNCTIONS = _words("""
    abs acos acosh asin asinh atan atan2 atanh cbrt ceil ceiling cos cosh cot degrees divide even exp factorial
    fdiv floor fmod gamma gcd greatest greatest_common_divisor isfinite isinf isnan lcm least
    least_common_multiple lgamma ln log log10 log2 mod pi pow power radians round round_even roundbankers sign
    signbit sin sinh sqrt tan tanh trunc xor bit_count

    if nullif

    ascii bar bit_length char_length character_length chr concat concat_ws contains damerau_levenshtein editdist3
    ends_with format hamming instr jaccard jaro_similarity jaro_winkler_similarity lcase left left_grapheme len
    length length_grapheme levenshtein like_escape ilike_escape not_like_escape not_ilike_escape lower lpad ltrim
    md5 mismatches nfc_normalize octet_length ord overlay parse_dirname parse_dirpath parse_filename position
    prefix printf regexp_escape regexp_extract regexp_full_match regexp_matches regexp_replace replace reverse
    right right_grapheme rpad rtrim sha1 sha256 split_part starts_with strip_accents strlen strpos substr
    substring substring_grapheme suffix translate trim ucase unicode upper url_decode url_encode

    century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname
    dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era hour isodow isoyear
    julian last_day make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz
    microsecond millennium millisecond minute month monthname nanosecond quarter second strftime strptime
    time_bucket timezone timezone_hour timezone_minute to_centuries to_days to_decades to_hours to_microseconds
    to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years
    try_strptime week weekday weekofyear year yearweek

    array_sum array_avg array_min array_max array_length array_element array_quantile array_scale
    array_extract element_at json_extract_string list_contains list_extract list_value split str_split
    string_split struct_extract bin hex to_base unbin unhex
""")

TEMPLATES: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType({
    "array_sum": (("array",), 'list_sum("array")'),
    "array_avg": (("array",), 'list_avg("array")'),
    "array_min": (("array",), 'list_min("array")'),
    "array_max": (("array",), 'list_max("array")'),
    "array_element": (("array", "position"), 'list_extract("array", "position")'),
    "array_quantile": (("array", "q"), """list_aggregate(CAST("array" AS DOUBLE[]), 'quantile_cont', "q")"""),
    "array_scale": (("array", "by"), 'list_transform("array", lambda "#element": "#element" * "by")'),
})  # fmt: skip
"""Functions of our own: their arguments, and what the engine is given, with the arguments' names as columns."""

AGGREGATES = _words("""
    any_value approx_count_distinct approx_quantile arg_max arg_min avg bit_and bit_or bit_xor bool_and bool_or
    count count_if count_star first fsum histogram kurtosis last list mad max max_by mean median min min_by mode
    product quantile quantile_cont quantile_disc reservoir_quantile skewness stddev stddev_pop stddev_samp
    string_agg sum sum_no_overflow var_pop var_samp variance
""")

SCALAR_OPERATORS = frozenset({
    "COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL",
    "OPERATOR_COALESCE", "OPERATOR_NULLIF", "OPERATOR_TRY", "ARRAY_EXTRACT", "STRUCT_EXTRACT",
})  # fmt: skip

SCALAR_CLASSES = frozenset({"CONSTANT", "COMPARISON", "CONJUNCTION", "CASE", "BETWEEN"})

REFUSED_CLASSES = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "`*`",
    "PARAMETER": "a parameter",
    "LAMBDA": "a lambda",
    "COLLATE": "a collation",
    "POSITIONAL_REFERENCE": "a positional reference",
    "DEFAULT": "DEFAULT",
}
