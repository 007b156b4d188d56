from tallystick.client.prices import format_ratio


def test_a_ratio_of_minor_units_is_a_price_of_whole_ones():
    # 6,025 cents for 1,000 milligrams are 60.25 for a gram.
    assert format_ratio(6_025, 1_000, decimals_in=3, decimals_out=2) == "60.25"


def test_a_price_is_rounded_to_its_digits_and_has_no_exponent():
    assert format_ratio(2, 3, decimals_in=0, decimals_out=0) == "0.666667"
    assert format_ratio(2, 3, decimals_in=0, decimals_out=0, digits=12) == "0.666666666667"
    assert format_ratio(10**30, 1, decimals_in=0, decimals_out=0) == "1" + "0" * 30
