// Brings one accumulator a cycle back to int8: clip(((acc + bias) * multiplier + half) >> shift), in 64-bit arithmetic.
// Three stages; `out_biased` (acc + bias) leaves beside the int8 value, because the last layer returns it.
module ternary_requantise (
    input wire clk,
    input wire reset,
    input wire in_valid,
    input wire signed [31:0] in_accumulator,
    input wire signed [31:0] in_bias,
    input wire [31:0] in_multiplier,  // 0 to 2^31 - 1
    input wire [7:0] in_shift,  // 1 to 62
    input wire in_relu,
    input wire [31:0] in_address,
    output reg out_valid,
    output reg signed [31:0] out_biased,
    output reg signed [7:0] out_value,
    output reg [31:0] out_address
);
    reg valid1, valid2, relu1, relu2;
    reg signed [31:0] biased1, biased2;
    reg [30:0] multiplier1;
    reg [5:0] shift1, shift2;
    reg [31:0] address1, address2;
    reg signed [63:0] product2;

    wire signed [31:0] factor1 = {1'b0, multiplier1};
    wire signed [63:0] half2 = 64'sd1 <<< (shift2 - 6'd1);
    wire signed [63:0] scaled2 = (product2 + half2) >>> shift2;
    wire signed [63:0] floor2 = relu2 ? 64'sd0 : -64'sd128;

    always @(posedge clk) begin
        valid1 <= in_valid && !reset;
        biased1 <= in_accumulator + in_bias;
        multiplier1 <= in_multiplier[30:0];
        shift1 <= in_shift[5:0];
        relu1 <= in_relu;
        address1 <= in_address;

        valid2 <= valid1 && !reset;
        product2 <= biased1 * factor1;
        biased2 <= biased1;
        shift2 <= shift1;
        relu2 <= relu1;
        address2 <= address1;

        out_valid <= valid2 && !reset;
        out_biased <= biased2;
        out_value <= scaled2 < floor2 ? floor2[7:0] : scaled2 > 64'sd127 ? 8'sd127 : scaled2[7:0];
        out_address <= address2;
    end
endmodule
